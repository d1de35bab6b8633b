"""The report of a run as a page: ``report/index.html``, a style sheet and pictures beside it.

Fit for a content policy without scripts and inline styles (Jenkins), for paper, phone and dark
screens. Whatever a log or a guest's console says is text, never markup; the page is bounded.
"""

from __future__ import annotations

import importlib.resources
import os
from pathlib import Path

from ci.model import Outcome, Record
from ci.report.compare import Difference, compare, earlier_run
from ci.report.console import BLAME, tally
from ci.report.evidence import Link, evidence, link
from ci.report.failures import Failures, failures
from ci.report.glance import fault, proven
from ci.report.parity import parity
from ci.report.reproduce import part, whole
from ci.report.results import NEUTRAL, RunResults, SuiteResults, exit_code
from ci.report.statement import Finding, statement
from ci.report.tallies import is_loop
from ci.report.timeline import Timeline, timeline
from ci.report.wording import clock, duration, named, size, tidy
from ci.report.xml_text import printable
from ci.templates import render

FOLDER = "report"
PAGE = "index.html"
GROUPS_SHOWN = 40
CASES_SHOWN = 1500


class GroupView(Record, frozen=True, kw_only=True):
    """A group of failures with its links and the command that comes to it again."""

    group: Failures
    blame: str
    is_new: bool
    command: str
    links: tuple[Link, ...]


class Picture(Record, frozen=True, kw_only=True):
    """A drawing for light and for dark screens."""

    light: str
    dark: str
    text: str


class SuiteView(Record, frozen=True, kw_only=True):
    """One suite on one host; ``cases`` are its named tests, none for a loop."""

    results: SuiteResults
    title: str
    tally: str
    finding: Finding | None
    timeline: Timeline | None
    pictures: tuple[Picture, ...]
    cases: tuple[tuple[str, str, float, str], ...]
    left_out: int


def write(folder: Path, results: RunResults) -> Path:
    """Write the page of a run into its folder; return the page's path. Raises InfraError."""
    place = folder / FOLDER
    place.mkdir(parents=True, exist_ok=True)
    style = importlib.resources.files("ci.report").joinpath("templates/style.css")
    _replace(place / "style.css", style.read_text(encoding="utf-8"))
    _replace(place / PAGE, page(folder, results))
    return place / PAGE


def page(folder: Path, results: RunResults) -> str:
    """The page's text; pictures are written as they are drawn."""
    before = earlier_run(folder, results)
    difference = compare(before, results) if before else None
    groups = failures(results)
    links, links_left_out = evidence(folder)
    text = render(
        "ci.report",
        "report.html.j2",
        results=results,
        exit_code=130 if results.interrupted else exit_code(results),
        word=_word(results),
        fault=fault(_word(results), groups, difference),
        proven=proven(results),
        counts=_all_counts(results),
        difference=difference,
        groups=[_group(folder, results, group, difference) for group in groups[:GROUPS_SHOWN]],
        groups_left_out=len(groups[GROUPS_SHOWN:]),
        suites=[_suite(folder, suite) for suite in results.suites],
        parity=parity(results),
        links=links,
        links_left_out=links_left_out,
        command=whole(results.header),
        tally=tally,
        clock=clock,
        duration=duration,
        size=size,
        tidy=tidy,
        named=named,
    )
    return printable(text)


def _word(results: RunResults) -> str:
    if results.interrupted:
        return "interrupted"
    if results.refused:
        return "refused"
    return str(results.outcome) if results.finished else "cut"


def _all_counts(results: RunResults) -> list[tuple[Outcome, int]]:
    totals = {o: sum(suite.counts[o] for suite in results.suites) for o in reversed(Outcome)}
    return [(outcome, count) for outcome, count in totals.items() if count]


def _group(
    folder: Path, results: RunResults, group: Failures, difference: Difference | None
) -> GroupView:
    outputs = [f"suites/{'/'.join(reversed(p.split(' on ')))}/output.log" for p in group.places]
    links = (link(folder, name) for name in dict.fromkeys([*group.files, *outputs]))
    return GroupView(
        group=group,
        blame=BLAME.get(group.blame, group.blame),
        is_new=difference is not None and group.signature in difference.new_signatures,
        command=part(results, group),
        links=tuple(one for one in links if one is not None),
    )


def _suite(folder: Path, suite: SuiteResults) -> SuiteView:
    title = f"{suite.suite} on {suite.host}"
    line = timeline(suite)
    # the bad ones come first, so that a long list never hides them
    named = sorted(
        (case for case in suite.cases if not is_loop(case)),
        key=lambda case: case.outcome in NEUTRAL,
    )
    cases = [(c.name, str(c.outcome), c.seconds, tidy(c.message)) for c in named[:CASES_SHOWN]]
    return SuiteView(
        results=suite,
        title=title,
        tally=tally(suite.counts),
        finding=statement(suite) if line is not None else None,
        timeline=line,
        pictures=tuple(_pictures(folder, suite, line, title)),
        cases=tuple(cases),
        left_out=max(0, len(named) - CASES_SHOWN),
    )


def _pictures(
    folder: Path, suite: SuiteResults, line: Timeline | None, title: str
) -> list[Picture]:
    if line is None:
        return []
    from ci.report import plots  # noqa: PLC0415 - matplotlib takes a second; most pages need none

    stem = f"{suite.host}-{suite.suite}"
    text = f"Seconds per step over the {line.iterations} iterations of {title}"
    drawn = {t.name: plots.draw_timeline(line, t, text) for t in plots.THEMES}
    found = [_save(folder, f"{stem}-steps", drawn, text)]
    if len(suite.vitals) > 1:
        text = f"Descriptors, threads and memory of the daemon during {title}"
        drawn = {t.name: plots.draw_vitals(suite.vitals, t, text) for t in plots.THEMES}
        found.append(_save(folder, f"{stem}-vitals", drawn, text))
    return found


def _save(folder: Path, stem: str, drawn: dict[str, str], text: str) -> Picture:
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    for theme, svg in drawn.items():
        _replace(folder / FOLDER / f"{stem}-{theme}.svg", svg)
    return Picture(light=f"{stem}-light.svg", dark=f"{stem}-dark.svg", text=text)


def _replace(path: Path, text: str) -> None:
    part_written = path.with_name(f".{path.name}.{os.getpid()}")
    part_written.write_text(text, encoding="utf-8", errors="backslashreplace")
    part_written.replace(path)
