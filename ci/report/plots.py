"""Pictures of a loop, as SVG for light and for dark screens; the only importer of matplotlib."""

from __future__ import annotations

import io
import itertools
import logging
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ci.model import Record
from ci.report.results import Vital
from ci.report.svg import without_styles
from ci.report.timeline import Timeline

logging.getLogger("matplotlib").setLevel(logging.ERROR)  # no word about fonts in our output
SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "virtci",
    "font.family": ["sans-serif"],
    "text.parse_math": False,  # a step's name is text, whatever it has in it
}
SIZE = (9.0, 3.4)
VITAL_NAMES = ("descriptors", "threads", "resident MiB")


class Palette(Record, frozen=True, kw_only=True):
    """Colours of one theme; ``lines`` are told apart in grey and by the colour-blind as well."""

    name: str
    ink: str
    paper: str
    grid: str
    failure: str
    lines: tuple[str, ...]


LIGHT = Palette(
    name="light",
    ink="#1c2024",
    paper="#ffffff",
    grid="#d5dae0",
    failure="#c00d2e",
    lines=("#0057a8", "#b35900", "#00735c", "#8a3ffc", "#7a5c00", "#a8005e", "#4d5a66", "#008a00"),
)
DARK = Palette(
    name="dark",
    ink="#e6e9ec",
    paper="#15191d",
    grid="#39424b",
    failure="#ff6b7d",
    lines=("#6cb6ff", "#f0a35e", "#4cc9a8", "#c4a1ff", "#e0c35a", "#ff8ac4", "#aab6c2", "#7ddc7d"),
)
THEMES = (LIGHT, DARK)


def draw_timeline(timeline: Timeline, palette: Palette, title: str) -> str:
    """Seconds per step over the iterations: medians, the largest as thin lines, failures marked."""

    def paint(axes: Axes) -> None:
        styles = itertools.cycle(("-", "--", "-.", ":"))
        for series, colour, style in zip(timeline.series, palette.lines, styles, strict=False):
            line = "o" if len(series.at) == 1 else style
            axes.plot(series.at, series.medians, line, color=colour, label=series.name, lw=1.4)
            if timeline.per_point > 1:
                axes.plot(series.at, series.largest, color=colour, lw=0.5, alpha=0.6)
        _mark(axes, timeline, palette)
        axes.set_xlabel("iteration")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_ylabel("seconds")
        axes.set_ylim(bottom=0)

    return _picture(paint, palette, title)


def draw_vitals(vitals: tuple[Vital, ...], palette: Palette, title: str) -> str:
    """The daemon's descriptors, threads and memory, each relative to its first sample."""

    def paint(axes: Axes) -> None:
        at = [sample[0] for sample in vitals]
        for column, (name, colour) in enumerate(zip(VITAL_NAMES, palette.lines, strict=False), 1):
            unit = 1024.0 if column == len(VITAL_NAMES) else 1.0
            values = [sample[column] / unit for sample in vitals]
            label = f"{name}: {values[0]:.0f} to {values[-1]:.0f}"
            axes.plot(at, [v / (values[0] or 1.0) for v in values], color=colour, label=label)
        axes.set_xlabel("iteration")
        axes.set_ylabel("times the first")

    return _picture(paint, palette, title)


def _mark(axes: Axes, timeline: Timeline, palette: Palette) -> None:
    if timeline.failed:
        top = axes.get_ylim()[1]
        label = f"failed: {timeline.failed_count}"
        axes.plot(
            timeline.failed,
            [top] * len(timeline.failed),
            "v",
            color=palette.failure,
            label=label,
            ms=6,
            clip_on=False,
        )


def _picture(paint: Callable[[Axes], None], palette: Palette, title: str) -> str:
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=SIZE, layout="constrained", facecolor=palette.paper)
        axes = figure.add_subplot()
        axes.set_facecolor(palette.paper)
        paint(axes)
        axes.grid(visible=True, color=palette.grid, lw=0.6)
        axes.tick_params(colors=palette.ink)
        axes.xaxis.label.set_color(palette.ink)
        axes.yaxis.label.set_color(palette.ink)
        for name, spine in axes.spines.items():
            spine.set_visible(name in ("left", "bottom"))
            spine.set_color(palette.grid)
        axes.legend(
            loc="upper left",
            bbox_to_anchor=(1.0, 1.0),
            frameon=False,
            labelcolor=palette.ink,
            fontsize="small",
        )
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
    return without_styles(text.getvalue(), title)
