"""Running ``python -m suites.stress`` as the pipeline does, for tests."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from ci.codec import from_json
from ci.journal import Event, read
from ci.model import CaseResult
from suites.stress import argv
from suites.stress.ledger import Operation
from suites.stress.options import Options
from suites.stress.verdict import Verdict

SECONDS = 240


@dataclass(frozen=True)
class Looped:
    """A loop that has ended: its status, what it said, and its ledger."""

    status: int
    said: str
    ledger: Path

    def events(self, what: str) -> list[Event]:
        return [event for event in read(self.ledger) if event.what == what]

    @property
    def cases(self) -> list[CaseResult]:
        return [from_json(event.data, CaseResult) for event in self.events("case")]

    @property
    def operations(self) -> list[Operation]:
        return [from_json(event.data, Operation) for event in self.events("op")]

    @property
    def verdict(self) -> Verdict:
        return from_json(self.events("verdict")[-1].data, Verdict)


def start(options: Options) -> subprocess.Popen[str]:
    return subprocess.Popen(
        argv(options), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def started(options: Options, cases: int = 1) -> subprocess.Popen[str]:
    """A loop that is under way: its ledger holds so many iterations already."""
    process = start(options)
    until = time.monotonic() + SECONDS
    while _cases(Path(options.ledger)) < cases:
        assert process.poll() is None, "the loop ended before it was well under way"
        assert time.monotonic() < until, "the loop does not get on"
        time.sleep(0.05)
    return process


def _cases(ledger: Path) -> int:
    return ledger.read_bytes().count(b'"what":"case"') if ledger.exists() else 0


def kill(process: subprocess.Popen[str]) -> None:
    """As the kernel does it when memory runs out."""
    process.kill()
    process.communicate()


def ended(process: subprocess.Popen[str], options: Options, seconds: float = SECONDS) -> Looped:
    try:
        said, _ = process.communicate(timeout=seconds)
    finally:
        kill(process)
    return Looped(process.returncode, said, Path(options.ledger))


def loop(options: Options, seconds: float = SECONDS) -> Looped:
    return ended(start(options), options, seconds)
