"""What the suite itself knows of a crash: stacks that it took of a hanging daemon, which processes
died, and deaths that left nothing behind."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path

from ci.codec import from_json
from ci.crash.attribution import HANG, loss_meaning
from ci.crash.kernel import segfaults
from ci.crash.said import STOPPED
from ci.crash.since import newer, read_mark
from ci.journal import read
from ci.model import CaseResult, Outcome

HANGS = "hang."  # a file of evidence: hang.PROCESS.txt
SEGFAULTS = "segfault."  # likewise: what the kernel noted of a process that left no core
CORE_OF_HANG = "core.hang."
MOST_STACKS = 3
MISSING = "missing.txt"
_PROCESS = re.compile(
    r"(?:Attaching to process|^process|daemon (?:was |is still )?\(?process) (\d+)", re.MULTILINE
)
_DIED = frozenset({"crashed", "hung"})


def keep_stacks(ledger: Path, evidence: Path) -> None:
    """Write the stacks in the details of hung cases into the evidence, unless cores tell more.

    No core tells that a daemon was stopped.
    """
    if not ledger.is_file():
        return
    cores = any(evidence.rglob(f"{CORE_OF_HANG}*"))
    hung = (case for case in _failed(ledger) if _hung(case) and _tells(case.detail, cores=cores))
    for number, case in enumerate(hung):
        if number == MOST_STACKS:
            return
        evidence.mkdir(parents=True, exist_ok=True)
        found = _PROCESS.search(f"{case.message}\n{case.detail}")
        name = f"{HANGS}{found[1] if found else number}.txt"
        (evidence / name).write_text(case.detail, encoding="utf-8")


def is_of_stopped(core: Path, evidence: Path) -> bool:
    """Whether a core was taken of a daemon that only hung since somebody had stopped it."""
    if not core.name.startswith(CORE_OF_HANG):
        return False
    said = (evidence / f"{HANGS}{pid}.txt" for pid in re.findall(r"\d+", core.name))
    return any(STOPPED.search(path.read_text(encoding="utf-8")) for path in said if path.is_file())


def keep_segfaults(ledger: Path, evidence: Path, ended: Collection[str] = ()) -> None:
    """Write what the kernel noted of processes that died in the suite and left no core.

    ``ended`` are those that no case saw.

    The kernel's log is everybody's: of other processes it tells nothing here, and what is older
    than the mark is of nobody who lived then.
    """
    since = read_mark(evidence)
    for log in sorted(evidence.rglob("dmesg.txt")):
        text = newer(log, evidence, since)
        for pid in sorted({*_processes(ledger), *ended} - _with_core(evidence)):
            if told := segfaults(text, pid, workers=pid not in ended):
                (evidence / f"{SEGFAULTS}{pid}.txt").write_text(told, encoding="utf-8")


def _processes(ledger: Path) -> set[str]:
    """Those of the daemons that served the cases that died."""
    return {pid for case in deaths(ledger) for pid in _PROCESS.findall(case.message)}


def _with_core(evidence: Path) -> set[str]:
    cores = (path.name for path in evidence.rglob("*core*"))
    return {number for name in cores for number in re.findall(r"\d+", name)}


def deaths(ledger: Path) -> list[CaseResult]:
    """The cases in which the suite saw a daemon die or hang."""
    return [case for case in _failed(ledger) if _died(case)] if ledger.is_file() else []


def nothing_found(ledger: Path, evidence: Path) -> str:
    """Why deaths that the suite saw have no name; empty when it saw none."""
    seen = len(deaths(ledger))
    if not seen:
        return ""
    times = "once" if seen == 1 else f"in {seen} cases"
    why = _missing(evidence) or "no core of it was found where cores lie"
    return f"the daemon died or hung {times} and nothing tells of what: {why}"


def _missing(evidence: Path) -> str:
    try:
        lines = (evidence / MISSING).read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line for line in lines if "core" in line), "")


def _failed(ledger: Path) -> Iterator[CaseResult]:
    for event in read(ledger):
        if event.what == "case":
            case = from_json(event.data, CaseResult)
            if case.outcome in (Outcome.FAILED, Outcome.BROKEN):
                yield case


def _tells(detail: str, *, cores: bool) -> bool:
    """Stacks, where no core has them, or the word that there is nothing to be told by them."""
    return ("#0 " in detail and not cores) or STOPPED.search(detail) is not None


def _hung(case: CaseResult) -> bool:
    return bool(HANG.search(case.message)) or case.properties.get("verdict") == "hung"


def _died(case: CaseResult) -> bool:
    lost = bool(loss_meaning(case.message))
    return lost or bool(HANG.search(case.message)) or case.properties.get("verdict") in _DIED
