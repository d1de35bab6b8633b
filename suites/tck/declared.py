"""Which calls each driver declares to have: libvirt's own table (hvsupport.html) as compact data.

``python -m suites.tck.declared HVSUPPORT.html >declared.csv`` makes the data file anew from another
version's documentation (Debian: package libvirt-doc).
"""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterator
from pathlib import Path

# columns of ours from columns of the table; drivers of networks, storage ... serve every daemon
COLUMNS = {
    "test": ("test",),
    "qemu": ("qemu", "bridge", "interface", "nwfilter", "secret", "storage", "udev"),
    "xen": ("libxl", "bridge", "interface", "nwfilter", "secret", "storage", "udev"),
}
DATA = Path(__file__).parent / "declared.csv"
_TABLE = re.compile(r'<table class="top_table">(.*?)</table>', re.DOTALL)
_ROW = re.compile(r"<tr>\s*<td>(.*?)</tr>", re.DOTALL)
_CELL = re.compile(r"<td\s*/>|<td>(.*?)</td>", re.DOTALL)


def declared(driver: str) -> frozenset[str]:
    """The functions that a driver declares; empty for a driver that the table does not have."""
    with DATA.open(encoding="utf-8", newline="") as file:
        return frozenset(row["function"] for row in csv.DictReader(file) if row.get(driver))


def parse(html: str) -> Iterator[tuple[str, dict[str, bool]]]:
    """Each function of the table, with the columns of ours that declare it."""
    for table in _TABLE.findall(html):
        # long tables repeat their head
        drivers = re.findall(r"<th>(.*?)</th>", table.partition("</thead>")[0])[1:]
        for row in _ROW.findall(table):
            name, _, cells = row.partition("</td>")
            function = re.search(r">(vir\w+)<", name)
            if function is None:
                continue
            has = dict(zip(drivers, (_alive(cell) for cell in _CELL.findall(cells)), strict=True))
            yield function[1], {ours: any(map(has.get, of)) for ours, of in COLUMNS.items()}


def _alive(cell: str) -> bool:
    """``1.2.3`` is since when; ``0.7.1 - 10.0.0`` is gone again."""
    return bool(cell.strip()) and "-" not in cell


def main() -> None:
    rows = sorted(parse(Path(sys.argv[1]).read_text(encoding="utf-8")))
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(("function", *COLUMNS))
    for function, has in rows:
        out.writerow((function, *("x" if has[column] else "" for column in COLUMNS)))


if __name__ == "__main__":
    main()
