"""The API conformance suite: plain pytest against any libvirt connection."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
AREAS = tuple(sorted(path.stem.removeprefix("test_") for path in FOLDER.glob("test_*.py")))


def is_known(name: str) -> bool:
    """Whether an area is called so, or has a case that is: ``memory``, ``memory/a_case``."""
    area, slash, case = name.partition("/")
    if area not in AREAS:
        return False
    text = (FOLDER / f"test_{area}.py").read_text(encoding="utf-8")
    return not slash or f"def test_{case.partition('[')[0]}(" in text


def _node(name: str) -> str:
    area, _, case = name.partition("/")
    file = str(FOLDER / f"test_{area}.py")
    return f"{file}::test_{case}" if case else file


def argv(
    uri: str,
    ledger: Path,
    areas: tuple[str, ...] = (),
    *,
    kernel: str = "",
    initrd: str = "",
    host: str = "",
    daemon_probe: tuple[str, ...] = (),
    daemon_backtrace: tuple[str, ...] = (),
    hypervisor_list: tuple[str, ...] = (),
    hypervisor_destroy: tuple[str, ...] = (),
    destructive: bool = False,
    patience: float = 1.0,
    workers: int = 0,
) -> tuple[str, ...]:
    """The command that runs these areas or cases (all when none is named) in a process of its own.

    It resumes when the ledger exists. Verdicts are in the ledger; the exit status is pytest's.
    """
    files = tuple(map(_node, areas)) or (str(FOLDER),)
    return (
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short"),
        f"--rootdir={FOLDER.parent}",
        *files,
        *("--connect", uri, "--ledger", str(ledger), "--patience", f"{patience:g}"),
        *(("--host", host) if host else ()),
        *_command("--daemon-probe", daemon_probe),
        *_command("--daemon-backtrace", daemon_backtrace),
        *_command("--hypervisor-list", hypervisor_list),
        *_command("--hypervisor-destroy", hypervisor_destroy),
        *(("--guest-kernel", kernel, "--guest-initrd", initrd) if kernel else ()),
        *(("--destructive",) if destructive else ()),
        *(("-n", str(workers), "--dist", "worksteal") if workers > 1 else ()),
    )


def _command(option: str, command: tuple[str, ...]) -> tuple[str, ...]:
    """A command as the value of an option; nothing when there is none."""
    return (option, shlex.join(command)) if command else ()
