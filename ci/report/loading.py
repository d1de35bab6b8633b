"""A run's folder read: its journal and its ledgers, into the one source of every report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from ci.codec import from_json
from ci.errors import InfraError, UsageError
from ci.journal import Event, read
from ci.model import Build, Deployment, Outcome, Tree
from ci.report.damage import damage_named
from ci.report.ledger import LedgerCases
from ci.report.results import CRASHES, RunHeader, RunResults, StepResult, SuiteResults, Vital
from ci.run import Done, Failure

T = TypeVar("T")


class Said(msgspec.Struct, frozen=True):
    """The part of a suite's verdict on itself that reports need."""

    statement: str = ""
    text: str = ""
    leaks: tuple[str, ...] = ()


class Asked(msgspec.Struct, frozen=True):
    """The part of a loop's options that reports need."""

    seed: int | None = None


def load(folder: Path) -> RunResults:
    """Read a run's folder.

    Raises UsageError when there is no run in it, InfraError when one of its files is damaged.
    """
    path = folder / "journal.jsonl"
    if not path.is_file():
        raise UsageError(f"{folder} holds no run", hint="virtci runs lists the runs there are")
    events = list(read(path))
    if not events or events[0].what != "run":
        raise UsageError(f"{path} does not begin as a run's journal", hint="start a new run")
    with damage_named(path):
        _check_ledgers(folder, events)
        return _loaded(folder, events)


class _Kept(msgspec.Struct, frozen=True):
    """The part of a suite's end that names its file."""

    ledger: str = ""


def _check_ledgers(folder: Path, events: list[Event]) -> None:
    """Results that are gone must not look like results that never were. Raises InfraError."""
    for event in events:
        if event.what == "done" and event.name.startswith("suites/"):
            ledger = from_json(from_json(event.data, Done).value, _Kept).ledger
            if ledger and not (folder / ledger).is_file():
                raise InfraError(
                    f"{folder / ledger} is missing: it held the results of {event.name}",
                    hint="restore the file from a copy, or start the run anew",
                )


def _loaded(folder: Path, events: list[Event]) -> RunResults:
    return RunResults(
        folder=str(folder),
        header=from_json(events[0].data, RunHeader),
        started=events[0].at,
        ended=events[-1].at,
        finished=events[-1].what == "ended",
        interrupted=events[-1].what == "interrupted",
        steps=_steps(events),
        suites=_with_crashes(tuple(_suites(folder))),
        tree=_last(events, "source", Tree),
        build=_last(events, "build", Build),
        deployments=_all(events, "deploy/", Deployment),
        unlooked=_unlooked(events),
    )


class _Looked(msgspec.Struct, frozen=True):
    """The part of a look that says why there was none."""

    trouble: str = ""


def _unlooked(events: list[Event]) -> tuple[str, ...]:
    looks = {e.name: from_json(e.data, _Looked).trouble for e in events if e.what == "looked"}
    return tuple(f"{name}: {trouble}" for name, trouble in looks.items() if trouble)


def _steps(events: list[Event]) -> tuple[StepResult, ...]:
    steps: dict[str, StepResult] = {}
    retries: Counter[str] = Counter()
    for event in events:
        match event.what:
            case "started":
                steps[event.name] = StepResult(name=event.name, state="running")
            case "retried":
                retries[event.name] += 1
            case "done":
                done = from_json(event.data, Done)
                steps[event.name] = StepResult(
                    name=event.name, state="done", seconds=done.seconds, retries=retries[event.name]
                )
            case "failed":
                steps[event.name] = _failed(event, retries[event.name])
    return tuple(steps.values())


def _failed(event: Event, retries: int) -> StepResult:
    failure = from_json(event.data, Failure)
    return StepResult(
        name=event.name,
        state="failed",
        seconds=failure.seconds,
        blame=failure.blame,
        message=failure.message,
        hint=failure.hint,
        detail=failure.detail,
        retries=retries,
    )


def _last(events: list[Event], name: str, kind: type[T]) -> T | None:
    for event in reversed(events):
        if event.what == "done" and event.name == name:
            return from_json(from_json(event.data, Done).value, kind)
    return None


def _all(events: list[Event], prefix: str, kind: type[T]) -> tuple[T, ...]:
    names = dict.fromkeys(e.name for e in events if e.name.startswith(prefix))
    found = (_last(events, name, kind) for name in names)
    return tuple(record for record in found if record is not None)


def _suites(folder: Path) -> Iterator[SuiteResults]:
    ledgers = sorted(folder.glob("suites/*/*/ledger.jsonl"), key=lambda path: path.stat().st_ctime)
    for ledger in ledgers:
        cases = LedgerCases(ledger)
        said = from_json(cases.last("verdict"), Said)
        yield SuiteResults(
            host=ledger.parent.parent.name,
            suite=ledger.parent.name,
            ledger=str(ledger.relative_to(folder)),
            cases=cases,
            verdict=said.statement or said.text,
            leaks=said.leaks,
            seed=from_json(cases.last("soak"), Asked).seed,
            vitals=from_json(cases.last("vitals", b"[]"), tuple[Vital, ...]),
        )


def _with_crashes(suites: tuple[SuiteResults, ...]) -> tuple[SuiteResults, ...]:
    """A loop that says PASS of itself has not seen what crashed beside it."""
    crashed = {
        (suite.host, suite.suite): [c.name for c in suite.cases if c.outcome is Outcome.FAILED]
        for suite in suites
        if suite.suite.endswith(CRASHES)
    }
    return tuple(_but(one, crashed.get((one.host, one.suite + CRASHES), [])) for one in suites)


def _but(suite: SuiteResults, crashes: list[str]) -> SuiteResults:
    if not crashes or not suite.verdict.startswith("PASS"):
        return suite
    said = f"FAIL: crashed meanwhile: {', '.join(crashes)}; the loop itself: {suite.verdict}"
    return msgspec.structs.replace(suite, verdict=said)
