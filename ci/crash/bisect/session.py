"""A bisection that can be stopped anywhere: builds, the command that runs one, and its journal."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from ci.codec import from_json, to_json
from ci.crash.bisect.search import Aims, Answer, Search, Verdict, search
from ci.crash.likename import tells_of
from ci.deadline import Deadline
from ci.errors import InfraError, UsageError
from ci.journal import Event, Journal, read
from ci.model import Record
from ci.shell import STATUS_NOT_FOUND, Argv, Completed, Shell

SKIP = 125  # as git bisect run has it
LAB = 3  # virtci's own exit code for a broken lab
NOT_EXECUTABLE = 126
SIGNALLED = 128
LAB_TRIES = 3


class Subject(Record, frozen=True, kw_only=True):
    """What is searched: ``builds`` in order, oldest first; ``command`` has ``{}`` for the build.

    With ``signature`` a failing run counts only if it prints that, or a name that can be of the
    same bug (between two builds functions are split and inlined). It is made again after another
    failure; a build that shows only those cannot be judged, like one that cannot be run.
    """

    builds: tuple[str, ...]
    command: Argv
    signature: str = ""
    aims: Aims = Aims()


class Ran(Record, frozen=True, kw_only=True):
    """One run of one build."""

    build: int
    verdict: Verdict
    seconds: float
    status: int


class Session:
    """A search whose every run is in ``folder/bisect.jsonl``; opening it again goes on."""

    def __init__(
        self, folder: Path, subject: Subject, shell: Shell, *, run_seconds: float = 3600.0
    ) -> None:
        self.folder = folder
        self.subject = subject
        self.shell = shell
        self.run_seconds = run_seconds
        self.state = Search(len(subject.builds), subject.aims)
        self.journal = Journal(folder / "bisect.jsonl")
        self._recall()

    def _recall(self) -> None:
        known = False
        for event in read(self.journal.path):
            if event.what == "bisect":
                _same(from_json(event.data, Subject), self.subject, self.journal.path)
                known = True
            elif event.what == "run":
                ran = from_json(event.data, Ran)
                self.state.noted(ran.build, ran.verdict)
        if not known:
            self._write("bisect", self.subject)

    def go(self, deadline: Deadline, say: Callable[[str], None]) -> Answer:
        """Search until sure, out of runs, or stopped. Raises InfraError, Interrupted, TimedOut."""

        def run(build: int) -> Verdict:
            deadline.check(f"the next run of {self.subject.builds[build]}")
            ran = self._run(build, deadline)
            self._write("run", ran)
            chance = max(self.state.belief().weights)
            say(
                f"run {self.state.counts.runs + 1}: {self.subject.builds[build]}: {ran.verdict}"
                f" in {ran.seconds:.1f} s (before it, the likeliest build had {chance:.0%})"
            )
            return ran.verdict

        return search(self.state, run, lambda _build, _verdict: None)

    def _run(self, build: int, deadline: Deadline) -> Ran:
        """A run that shows nothing counts for nothing and is made again, a few times."""
        name = self.subject.builds[build]
        argv = tuple(word.replace("{}", name) for word in self.subject.command)
        done = Completed(argv, 0, "", "", 0.0)
        for _ in range(LAB_TRIES):
            done = self.shell.run(
                argv, deadline.within(self.run_seconds), env={"VIRTCI_BUILD": name}
            )
            verdict = _verdict(done, self.subject.signature)
            if verdict is not None:
                return Ran(build=build, verdict=verdict, seconds=done.seconds, status=done.status)
        if _failed(done):  # each time by something else, which hides what is looked for
            verdict = Verdict.UNTESTABLE
            return Ran(build=build, verdict=verdict, seconds=done.seconds, status=done.status)
        raise InfraError(
            f"{name} could not be judged: {LAB_TRIES} runs ended in status {done.status}",
            detail=done.tail(),
            hint="what was learned is kept; the same command goes on with it",
        )

    def _write(self, what: str, record: object) -> None:
        data = msgspec.Raw(to_json(record))
        self.journal.append(Event(at=time.time(), what=what, data=data))

    def close(self) -> None:
        self.journal.close()


def _verdict(done: Completed, signature: str) -> Verdict | None:
    """What a run showed; None when it broke for a reason of its own."""
    if done.status == 0:
        return Verdict.GOOD
    if done.status == SKIP:
        return Verdict.UNTESTABLE
    if not _failed(done):
        return None
    if signature and not tells_of(done.stdout + done.stderr, signature):
        return None
    return Verdict.BAD


def _failed(done: Completed) -> bool:
    """Whether the run told of a failure; else the lab or the command itself is to blame."""
    own_fault = done.status in (LAB, NOT_EXECUTABLE, STATUS_NOT_FOUND)
    return not own_fault and 0 < done.status < SIGNALLED


def _same(before: Subject, now: Subject, path: Path) -> None:
    same = (before.builds, before.command, before.signature) == (
        now.builds, now.command, now.signature,
    )  # fmt: skip
    if not same:
        raise UsageError(
            f"{path} is the journal of another bisection",
            hint="name another folder with --journal, or give the same builds and command",
        )
