"""What died on a host and no case failed of: cores that came there, daemons that are others."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from ci.codec import from_json
from ci.crash.explain import CrashReport
from ci.crash.kept import deaths
from ci.crash.since import newer, read_mark
from ci.crash.told import told
from ci.crash.trace import Trace
from ci.journal import read
from ci.model import LeftCore, Looked, Replaced

MOST_NAMED = 3


class _Timed(msgspec.Struct):
    seconds: float = 0.0


def untold(
    found: Looked, reports: Sequence[CrashReport], ledger: Path, evidence: Path
) -> tuple[CrashReport, ...]:
    """A crash for each core that none of the reports is of: too large, cut short, gone since.

    And for each daemon that ended without any, unless a case of the ledger saw that.
    """
    files = [file.rpartition("/")[2] for report in reports for file in report.files]
    cores = [core for core in found.cores if not any(_is_of(file, core) for file in files)]
    told_of = {number for file in files for number in re.findall(r"\d+", file)}
    ended = [one for one in found.replaced if str(one.was.pid) not in told_of]
    if deaths(ledger):
        ended = []
    return (*map(_unread, cores), *(_ended(one, ledger, evidence) for one in ended))


def unseen(left: Iterable[LeftCore], report: CrashReport, ledger: Path) -> str:
    """That no case failed of a crash, and which of them ran when its core was written.

    A ledger whose cases died of something is not asked whether it was this.
    """
    names = [file.rpartition("/")[2] for file in report.files]
    own = [core for core in left if any(_is_of(name, core) for name in names)]
    said = [f"process {one.pid} left its core {_when(one.at, ledger)}" for one in own]
    alone = ["no case failed of it"] * (bool(own) and not deaths(ledger))
    return "; ".join((*alone, *said))


def _when(at: float, ledger: Path) -> str:
    """By the ledger, whose cases are written when they end."""
    stamp = time.strftime("%H:%M:%S UTC", time.gmtime(at))
    before, during, after = "", [], ""  # type: str, list[str], str
    for name, began, ended in _spans(ledger):
        if ended < at:
            before = name
        elif began <= at:
            during.append(name)
        else:
            after = after or name
    if during:
        return f"at {stamp}, while {', '.join(during[:MOST_NAMED])} ran"
    around = (f"behind {before}" * bool(before), f"before {after}" * bool(after))
    return ", ".join((f"at {stamp}", *(word for word in around if word)))


def _spans(ledger: Path) -> Iterator[tuple[str, float, float]]:
    if ledger.is_file():
        for event in read(ledger, but="op"):
            if event.what == "case":
                seconds = from_json(event.data, _Timed).seconds
                yield event.name, event.at - seconds, event.at


def _is_of(file: str, core: LeftCore) -> bool:
    name = core.path.rpartition("/")[2]
    return str(core.pid) in re.findall(r"\d+", file) or file in (name, f"{name}.gz")


def _ended(one: Replaced, ledger: Path, evidence: Path) -> CrashReport:
    when = f", which began {_when(one.by.at, ledger)}" if one.by else ""
    said = _kernel_on(one.was.pid, evidence)
    return CrashReport(
        signature=f"{one.was.program}: ended without a core",
        told=told(Trace(), one.was.program),
        files=(),
        trouble=f"{one.sentence()}{when}; no case failed of it{said}",
    )


def _kernel_on(pid: int, evidence: Path) -> str:
    """What the kernel's log tells of the end of a process: that there was no memory for it."""
    log = evidence / "dmesg.txt"
    text = newer(log, evidence, read_mark(evidence)) if log.is_file() else ""
    found = re.search(rf"^.*\bKilled process {pid}\b.*$", text, re.MULTILINE)
    return f"; the kernel: {found[0].strip()}" if found else ""


def _unread(core: LeftCore) -> CrashReport:
    return CrashReport(
        signature=f"{core.program}: core that was not read",
        told=told(Trace(), core.path),
        files=(),
        trouble=f"process {core.pid} of {core.program} left {core.path}, which could not be had or"
        " read; missing.txt of the evidence may say why",
    )
