"""One run: steps that are journaled, timed, retried where the lab fails, and never done twice."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from ci.codec import fingerprint, from_json, to_json
from ci.deadline import Clock, Deadline, SystemClock
from ci.errors import InfraError, Interrupted, VirtciError
from ci.journal import Event, Journal, read
from ci.leftovers import VARIABLE, end_leftovers
from ci.model import Outcome, Record
from ci.shell import LocalShell, Shell
from ci.watcher import Silent, Watcher

T = TypeVar("T")


class Failure(Record, frozen=True, kw_only=True):
    """What the journal keeps of an error that ended a step."""

    blame: str
    message: str
    hint: str = ""
    detail: str = ""
    seconds: float = 0.0


class Done(Record, frozen=True, kw_only=True):
    """What the journal keeps of a step that ended well."""

    seconds: float
    value: msgspec.Raw


@dataclass(frozen=True)
class Step:
    """What a step may use: this machine, a deadline, a folder of its own, and a way to tell."""

    name: str
    shell: Shell
    deadline: Deadline
    folder: Path
    run_folder: Path
    watcher: Watcher = field(default_factory=Silent)

    def say(self, text: str) -> None:
        """Progress for people."""
        self.watcher.said(self.name, text)

    def relative(self, path: Path) -> str:
        """A path as records keep it: relative to the run's folder."""
        return str(path.relative_to(self.run_folder))


class Run:
    """A run's folder and journal. ``seconds`` is the limit of each step."""

    def __init__(
        self,
        folder: Path,
        *,
        watcher: Watcher | None = None,
        shell: Shell | None = None,
        clock: Clock | None = None,
        seconds: float = 3600.0,
        stop: threading.Event | None = None,
    ) -> None:
        self.folder = folder.absolute()
        self.journal = Journal(self.folder / "journal.jsonl")
        self.watcher = watcher or Silent()
        self.shell = shell or LocalShell()
        self.clock = clock or SystemClock()
        self.seconds = seconds
        self.stop = stop or threading.Event()
        self._lock = threading.Lock()
        self._done = {
            (event.name, event.fingerprint): event
            for event in read(self.journal.path)
            if event.what == "done"
        }

    def note(self, what: str, name: str = "", record: Any = None, key: str = "") -> Event:
        """Write a fact to the journal."""
        data = msgspec.Raw(to_json(record))
        event = Event(at=self.clock.wall(), what=what, name=name, fingerprint=key, data=data)
        with self._lock:
            self.journal.append(event)
        return event

    def step(
        self,
        name: str,
        kind: type[T],
        function: Callable[..., T],
        *inputs: Any,
        beside: tuple[Any, ...] = (),
        still_good: Callable[[T], bool] | None = None,
        retries: int = 1,
        seconds: float | None = None,
    ) -> T:
        """The record that ``function(step, *inputs, *beside)`` gives, from the journal if there.

        ``inputs`` are the key: other inputs, another call; ``beside`` is handed over but is no part
        of the key (how a host is reached today changes no result). ``still_good`` looks
        whether what the journal says still holds (a booted host may be gone). A lab fault is
        retried ``retries`` times; every other error is recorded and raised at once.
        """
        key = fingerprint(name, *inputs)
        if (known := self._done.get((name, key))) is not None:
            done = from_json(known.data, Done)
            value = from_json(done.value, kind)
            if still_good is None or still_good(value):
                self.watcher.ended(name, Outcome.PASSED, done.seconds, again=False)
                return value
        return self._call(
            name,
            key,
            lambda step: function(step, *inputs, *beside),
            retries=retries,
            seconds=seconds or self.seconds,
        )

    def has(self, name: str, *inputs: Any) -> bool:
        """Whether the journal holds this step with these inputs."""
        return (name, fingerprint(name, *inputs)) in self._done

    def _call(
        self,
        name: str,
        key: str,
        function: Callable[[Step], T],
        *,
        retries: int,
        seconds: float,
    ) -> T:
        if self.stop.is_set():
            raise Interrupted(f"stopped before {name}")
        self.note("started", name, key=key)
        self.watcher.started(name)
        began = self.clock.monotonic()
        try:
            value = self._tries(name, function, retries=retries, seconds=seconds)
        except VirtciError as error:
            self._failed(name, key, error, self.clock.monotonic() - began)
            raise
        took = self.clock.monotonic() - began
        done = Done(seconds=took, value=msgspec.Raw(to_json(value)))
        self._done[(name, key)] = self.note("done", name, done, key)
        self.watcher.ended(name, Outcome.PASSED, took, again=True)
        return value

    def _tries(
        self,
        name: str,
        function: Callable[[Step], T],
        *,
        retries: int,
        seconds: float,
    ) -> T:
        deadline = Deadline.after(seconds, self.clock, self.stop)
        step = self._begin(name, deadline)
        for attempt in range(retries + 1):
            try:
                return function(step)
            except InfraError as error:
                if deadline.stopped():
                    raise Interrupted(f"stopped during {name}: {error.message}") from None
                if attempt == retries or deadline.expired():
                    raise
                self.note("retried", name, _failure(error, 0.0))
                step.say(f"lab trouble, trying once more: {error.message}")
        raise AssertionError("a loop of at least one try ends in a return or an error")

    def _begin(self, name: str, deadline: Deadline) -> Step:
        """The step's folder and shell; what a killed run left running in it is ended first."""
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        shell = self.shell
        if isinstance(shell, LocalShell):
            shell = LocalShell({VARIABLE: str(folder)})
            if ended := end_leftovers(str(folder)):
                self.watcher.said(name, f"ended {ended} processes that a killed run had left")
        return Step(name, shell, deadline, folder, self.folder, self.watcher)

    def _failed(self, name: str, key: str, error: VirtciError, seconds: float) -> None:
        outcome = outcome_of(error)
        self.note("failed", name, _failure(error, seconds), key)
        self.watcher.ended(name, outcome, seconds, again=True)

    def close(self) -> None:
        self.journal.close()


def outcome_of(error: VirtciError) -> Outcome:
    """Product and user errors are failures; the lab's are broken, and so is what was stopped."""
    return Outcome.BROKEN if isinstance(error, InfraError | Interrupted) else Outcome.FAILED


def _failure(error: VirtciError, seconds: float) -> Failure:
    return Failure(
        blame=error.blame,
        message=error.message,
        hint=error.hint,
        detail=error.detail,
        seconds=seconds,
    )
