"""Ledgers of loops in which the daemon died, as the stress suite writes them."""

from __future__ import annotations

from pathlib import Path

import msgspec

from ci.codec import to_json
from ci.journal import Event, Journal
from ci.model import CaseResult, Outcome
from suites.stress.ledger import Operation
from suites.stress.options import Options

CYCLE = ("create", "alive", "reboot", "alive", "shutdown")


def write_ledger(folder: Path, *, iterations: int, deaths: dict[int, str], message: str) -> Path:
    """Iterations of CYCLE; in those of ``deaths`` the daemon dies in the operation named last."""
    path = folder / "ledger.jsonl"
    journal = Journal(path, group_seconds=0.1)
    clock, pid = 1000.0, 40

    def write(what: str, name: str, record: object) -> None:
        data = msgspec.Raw(to_json(record))
        journal.append(Event(at=clock, what=what, name=name, data=data))

    write("soak", "lifecycle", Options(connect="test:///default", ledger=str(path), seed=7))
    for number in range(1, iterations + 1):
        lost = ""
        for op in CYCLE:
            clock += 1.0
            dying = number in deaths and op == deaths[number] and not lost
            lost = message if dying else ""
            write("op", op, _operation(number, op, pid, lost))
            if lost:
                break
        clock += 2.0
        if lost:
            pid += 1
        write("case", f"iteration-{number:06}", _case(number, lost, pid))
    journal.close()
    return path


def _operation(number: int, op: str, pid: int, message: str) -> Operation:
    return Operation(
        iteration=number, guest="virtci-stress-0", op=op, seed=7, seconds=0.5,
        outcome=Outcome.FAILED if message else Outcome.PASSED, daemon_pid=pid, daemon_start=1,
        domain_id=number, boot_id="", message=message,
    )  # fmt: skip


def _case(number: int, message: str, pid: int) -> CaseResult:
    said = f"{message} (the daemon was process {pid - 1}, now it is process {pid})"
    return CaseResult(
        suite="stress.lifecycle",
        name=f"iteration-{number:06}",
        outcome=Outcome.FAILED if message else Outcome.PASSED,
        message=said if message else "",
    )
