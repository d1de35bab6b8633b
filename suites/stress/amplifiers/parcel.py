"""Knobs for a daemon on another host: they are sent there, and end with the line that sent them.

All that is needed there is a shell and python3; nothing is left when they end.
"""

from __future__ import annotations

import io
import shlex
import zipfile
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent
PACKAGES = ("suites", "suites/stress", "suites/stress/amplifiers")
# The knob ends when its line does: a shell behind it waits for that
SCRIPT = (
    "d=$(mktemp -d) && head -c {size} >$d/knobs.zip || exit 1; exec 3<&0; "
    "PYTHONPATH=$d/knobs.zip python3 -m {module} {words} 3<&- & p=$!; "
    "{{ cat <&3; kill $p; }} >/dev/null 2>&1 & exec 3<&-; "
    "wait $p; s=$?; rm -r $d; exit $s"
)


@cache
def parcel() -> bytes:
    """The knobs' modules as a zip; the packages around them are empty there."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for package in PACKAGES:
            archive.writestr(f"{package}/__init__.py", "")
        for file in sorted(FOLDER.glob("*.py")):
            if file.name != "__init__.py":
                archive.write(file, f"{PACKAGES[-1]}/{file.name}")
    return made.getvalue()


def script(module: str, words: tuple[str, ...]) -> str:
    """The shell command that takes the parcel from its standard input and runs a module of it."""
    return SCRIPT.format(size=len(parcel()), module=module, words=shlex.join(words))
