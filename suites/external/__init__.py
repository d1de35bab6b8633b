"""Suites that others wrote, with our verdicts, time limits and ledger: libvirt-tck, avocado, TAP,
JUnit."""

from __future__ import annotations

import sys
from pathlib import Path

KINDS = ("tap", "junit", "libvirt-tck", "avocado")


def argv(
    kind: str,
    ledger: Path,
    programs: tuple[str, ...],
    *,
    name: str,
    uri: str = "",
    host: str = "",
    kernel: str = "",
    initrd: str = "",
    image: str = "",
    destination: str = "",
    seconds: int = 600,
) -> tuple[str, ...]:
    """The command that runs ``programs`` one after the other; verdicts go to the ledger.

    A program is a script of libvirt-tck, or a command line in one word. ``seconds`` limits each.
    ``destination`` is the connection of a second host, for scripts that migrate.
    """
    return (
        *(sys.executable, "-m", "suites.external", kind, "--ledger", str(ledger)),
        *("--name", name, "--host", host, "--seconds", str(seconds)),
        *(("--connect", uri) if uri else ()),
        *(("--kernel", kernel, "--initrd", initrd) if kernel else ()),
        *(("--image", image) if image else ()),
        *(("--destination", destination) if destination else ()),
        *(word for program in programs for word in ("--program", program)),
    )
