"""The parity matrix as CSV and as a page that stands alone."""

from __future__ import annotations

import csv
import io
from html import escape

from suites.tck.parity import Cell, Change, Matrix, Status, counts, coverage

COLOURS = {
    Status.WORKS: "#d3f2d3",
    Status.FAILS: "#ffd9b3",
    Status.UNSUPPORTED: "#e8e8e8",
    Status.CRASHES: "#ff9c9c",
    Status.HANGS: "#ff9c9c",
    Status.UNTESTED: "#ffffff",
}
STYLE = (
    "body{font:14px sans-serif;margin:2em}table{border-collapse:collapse}"
    "td,th{border:1px solid #ccc;padding:2px 8px;text-align:left}"
    + "".join(f".{status.name.lower()}{{background:{c}}}" for status, c in COLOURS.items())
)


def as_csv(matrix: Matrix) -> str:
    """One line for each function and driver."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ("function", "driver", "status", "declared", "calls", "ways", "seconds", "slowest", "codes")
    )
    for driver, cells in sorted(matrix.drivers.items()):
        for function, c in sorted(cells.items()):
            codes = " ".join(map(str, c.codes))
            row = (function, driver, c.status, c.declared, c.calls, c.ways)
            writer.writerow((*row, f"{c.seconds:.6f}", f"{c.slowest:.6f}", codes))
    return out.getvalue()


def as_html(matrix: Matrix, news: tuple[Change, ...]) -> str:
    drivers = sorted(matrix.drivers)
    head = "".join(f"<th>{escape(driver)}</th>" for driver in drivers)
    rows = "".join(_row(matrix, function, drivers) for function in matrix.functions())
    return (
        f"<!DOCTYPE html><html lang='en'><head><meta charset='utf-8'><title>Parity</title>"
        f"<style>{STYLE}</style></head><body><h1>libvirt calls by driver, as measured</h1>"
        f"{_summary(matrix, drivers)}{_changes(news)}"
        f"<table><tr><th>call</th>{head}</tr>{rows}</table></body></html>\n"
    )


def _summary(matrix: Matrix, drivers: list[str]) -> str:
    head = "".join(f"<th>{escape(status)}</th>" for status in Status)
    rows = ""
    for driver in drivers:
        cells = matrix.drivers[driver]
        numbers = "".join(f"<td>{number}</td>" for number in counts(cells).values())
        share = f"<td>{coverage(cells):.0%}</td>"
        rows += f"<tr><th>{escape(driver)}</th>{numbers}{share}</tr>"
    return f"<table><tr><th></th>{head}<th>of the declared, called</th></tr>{rows}</table>"


def _changes(news: tuple[Change, ...]) -> str:
    items = "".join(
        f"<li class='{'crashes' if change.lost else 'works'}'>{escape(change.driver)}: "
        f"{escape(change.function)} {escape(change.before)} &rarr; {escape(change.after)}</li>"
        for change in news
    )
    return f"<h2>Since the last run</h2><ul>{items or '<li>nothing changed</li>'}</ul>"


def _row(matrix: Matrix, function: str, drivers: list[str]) -> str:
    cells = "".join(_cell(matrix.drivers[driver].get(function)) for driver in drivers)
    return f"<tr><td><code>{escape(function)}</code></td>{cells}</tr>"


def _cell(cell: Cell | None) -> str:
    if cell is None:
        return "<td></td>"
    codes = ", ".join(map(str, cell.codes))
    title = f"{cell.calls} calls in {cell.ways} ways, slowest {cell.slowest:.3f} s; errors {codes}"
    return (
        f"<td class='{cell.status.name.lower()}' title='{escape(title)}'>{escape(cell.status)}</td>"
    )
