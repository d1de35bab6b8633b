"""The suite survives its own death: a driver that runs inside our process can take it along.

The tests run in a child. When it dies by a signal, the case that was running is blamed, with the
call that was under way, and a new child goes on behind it.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from ci.codec import to_json
from ci.journal import Event, Journal, read
from ci.model import CaseResult, Outcome
from suites.hypervisor.calls import NOTE, NOTE_CALL

LEDGER_VARIABLE = "VIRTCI_TCK_LEDGER"
CHILD_VARIABLE = "VIRTCI_TCK_CHILD"  # also the file that holds the name of the current call
STOPPED = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL, signal.SIGHUP)
PR_SET_PDEATHSIG = 1
FAILED = 1


def is_child() -> bool:
    return CHILD_VARIABLE in os.environ


def note_file(worker: str = "") -> Path:
    """The file that a child, or a worker of it, notes its calls in."""
    name = os.environ[CHILD_VARIABLE]
    return Path(f"{name}.{worker}" if worker else name)


def current_call(worker: str = "") -> mmap.mmap:
    """Where a child notes the call that it is about to make."""
    # a child must not go on alone when its parent was killed
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if worker:
        note_file(worker).write_bytes(bytes(NOTE))
    with note_file(worker).open("r+b") as file:
        return mmap.mmap(file.fileno(), NOTE)


def supervise(argv: Sequence[str], ledger: Path, host: str) -> int:
    """Run the suite in children until one ends by itself; pytest's exit status."""
    with tempfile.TemporaryDirectory(prefix="virtci-tck-call-") as folder:
        note = Path(folder, "call")
        note.write_bytes(bytes(NOTE))
        environment = {CHILD_VARIABLE: str(note), LEDGER_VARIABLE: str(ledger)}
        died = False
        while True:
            known = len(_finished(ledger))
            status = _run(argv, environment)
            if status >= 0 or -status in STOPPED:
                return FAILED if died and status == 0 else abs(status)
            died = True
            call, case = read_note(note)
            blame(ledger, signal.Signals(-status).name, call, case, host)
            if len(_finished(ledger)) == known:  # the next child would die in the same place
                return abs(status)


def read_note(path: Path) -> tuple[str, str]:
    """The call and the case that a dead child noted last."""
    note = path.read_bytes()
    parts = (note[:NOTE_CALL], note[NOTE_CALL:NOTE])
    call, case = (part.rstrip(b"\0").decode(errors="replace") for part in parts)
    return call, case


def _run(argv: Sequence[str], environment: dict[str, str]) -> int:
    process = subprocess.Popen(argv, env={**os.environ, **environment})
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:  # the child got it as well, and tidies up
            continue


def blame(ledger: Path, how: str, call: str, name: str, host: str) -> bool:
    """Give the case that was running its verdict; false when it has one, or none was running."""
    new = bool(name) and name not in _finished(ledger)
    if new:
        case = CaseResult(
            suite="tck",
            name=name,
            host=host,
            outcome=Outcome.FAILED,
            message=f"{call} killed the process that its driver ran in ({how})",
            properties={"verdict": "crashed", "function": call},
        )
        append(ledger, case)
        sys.stderr.write(f"\n{name}: {case.message}; going on behind it\n")
    return new


def append(ledger: Path, case: CaseResult) -> None:
    journal = Journal(ledger)
    data = msgspec.Raw(to_json(case))
    journal.append(Event(at=time.time(), what="case", name=case.name, data=data))
    journal.close()


def _finished(ledger: Path) -> frozenset[str]:
    events = read(ledger) if ledger.exists() else ()
    return frozenset(event.name for event in events if event.what == "case")
