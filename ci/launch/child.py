"""A suite as a child process: bounded in time, followed through its ledger, never outliving us."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import IO

from ci.codec import from_json
from ci.errors import InfraError, Interrupted, UsageError
from ci.launch.follow import Follower
from ci.launch.target import outcomes_in
from ci.model import CaseResult, Outcome
from ci.run import Step
from ci.shell import Argv

BAD = (Outcome.WAIVED, Outcome.FAILED, Outcome.BROKEN)
FAILED_STATUS = 1  # also what Python ends with on an error of the suite's own
GRACE_SECONDS = 10.0
FOLLOW_SECONDS = 0.3
TAIL_BYTES = 8000


def run_child(step: Step, argv: Argv, ledger: Path, *, good: frozenset[int]) -> int:
    """Run a suite to its end; return its exit status, one of ``good``.

    Its output goes to ``output.log`` beside the ledger. At the deadline or on a stop it is asked to
    end (SIGINT) and killed with its process group after a grace time. Raises InfraError when it
    could not do its work, with the tail of its output; Interrupted on a stop.
    """
    log = step.folder / "output.log"
    with log.open("ab") as output:
        process = _start(argv, output)
        try:
            _follow(step, process, Follower(ledger))
        finally:
            _end(process)
    status = _judge(step, process.returncode, log, good)
    if status == UsageError.exit_code:  # only where ``good`` has it; the suite's output says why
        return status
    outcomes = set(outcomes_in(ledger).values())
    if not outcomes or (status == FAILED_STATUS and not outcomes & {*BAD}):
        raise InfraError(
            f"the process of {step.name} ended with status {status}"
            f" and {'no case of it failed' if outcomes else 'did not finish one case'}",
            detail=_tail(log),
        )
    return status


def _start(argv: Argv, output: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        _dying_with_us(argv),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


def _dying_with_us(argv: Argv) -> Argv:
    """A suite must not go on alone when we are killed: setpriv asks the kernel for that."""
    setpriv = shutil.which("setpriv")
    return (setpriv, "--pdeathsig", "KILL", "--", *argv) if setpriv else argv


def _follow(step: Step, process: subprocess.Popen[bytes], follower: Follower) -> None:
    ended = False
    while not ended and not step.deadline.expired():
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(FOLLOW_SECONDS)
            ended = True
        for event in follower.new():
            if event.what == "case":
                step.watcher.case(step.name, from_json(event.data, CaseResult))


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    for sign, seconds in ((signal.SIGINT, GRACE_SECONDS), (signal.SIGKILL, GRACE_SECONDS)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
            return


def _judge(step: Step, status: int, log: Path, good: frozenset[int]) -> int:
    if step.deadline.stopped():
        raise Interrupted(f"stopped during {step.name}")
    if step.deadline.expired():
        raise InfraError(
            f"{step.name} did not end within its time and was killed",
            hint="raise the suite's `seconds` in the plan, or ask it for less",
            detail=_tail(log),
        )
    if status not in good:
        how = signal.Signals(-status).name if status < 0 else f"status {status}"
        raise InfraError(f"the process of {step.name} died with {how}", detail=_tail(log))
    return status


def _tail(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
        return file.read().decode(errors="replace")
