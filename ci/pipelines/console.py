"""A host's serial console as results: what its kernel and its hypervisor said of their trouble."""

from __future__ import annotations

from pathlib import Path

import msgspec

from ci.codec import from_json, to_json
from ci.crash.console import parse_panics
from ci.deploy.console_troubles import MOST_TROUBLES, Trouble, troubles
from ci.journal import Event, Journal, read
from ci.launch.target import SuiteEnd, Target, suite_end
from ci.model import Access, CaseResult, Outcome
from ci.run import Step

SUITE = "console"
MOST_BYTES = 64 * 2**20
OUTCOMES = {"product": Outcome.FAILED, "lab": Outcome.BROKEN}


def console_troubles(access: Access) -> tuple[Trouble, ...]:
    """What the console of this run tells so far; nothing when there is none."""
    return troubles(console_text(access.console), emulated=access.emulated)


def write_console_cases(
    step: Step, access: Access, lane: str, during: str, found: tuple[Trouble, ...]
) -> SuiteEnd:
    """Write a case for each trouble.

    The console is read from its beginning each time: a case that is known keeps its place.
    ``during`` says in what it was first seen.
    """
    ledger = step.run_folder / "suites" / lane / SUITE / "ledger.jsonl"
    target = Target(host=access.name, uri=access.uri, hypervisor=access.hypervisor)
    ledger.parent.mkdir(parents=True, exist_ok=True)
    known = _known(ledger)
    journal = Journal(ledger)
    try:
        for case in console_cases(found, access, during, _console_name(step, access)):
            before = known.get(case.name)
            if before is None or before.properties["times"] != case.properties["times"]:
                _write(step, journal, lane, _kept(before, case))
    finally:
        journal.close()
    return suite_end(SUITE, target, ledger, step.relative(ledger))


def console_text(path: str) -> str:
    """The console as it was recorded, its last part when it is huge; "" when there is none."""
    if not path or not Path(path).is_file():
        return ""
    with Path(path).open("rb") as file:
        file.seek(max(0, file.seek(0, 2) - MOST_BYTES))
        return file.read().decode(errors="replace")


def console_cases(
    found: tuple[Trouble, ...], access: Access, during: str, file: str
) -> tuple[CaseResult, ...]:
    """One case per trouble, numbered within its kind."""
    numbers: dict[str, int] = {}
    cases = []
    for trouble in found[:MOST_TROUBLES]:
        numbers[trouble.kind] = numbers.get(trouble.kind, 0) + 1
        cases.append(_case(trouble, numbers[trouble.kind], access, during, file))
    return tuple(cases)


def _case(trouble: Trouble, number: int, access: Access, during: str, file: str) -> CaseResult:
    traces = parse_panics(trouble.text)
    stack = [frame.function for trace in traces[:1] for frame in trace.frames[:5]]
    told = {"line": str(trouble.line), "times": str(trouble.times), "during": during}
    return CaseResult(
        suite=SUITE,
        name=f"{trouble.kind}-{number}",
        outcome=OUTCOMES[trouble.blame],
        host=access.name,
        message=trouble.headline,
        detail=trouble.text,
        files=(file,) if file else (),
        properties=told | ({"stack": " < ".join(stack)} if stack else {}),
    )


def fatal_trouble(access: Access, since: int) -> Trouble | None:
    """The first panic that the console shows behind ``since`` bytes."""
    path = Path(access.console) if access.console else None
    if path is None or not path.is_file():
        return None
    with path.open("rb") as file:
        file.seek(since)
        text = file.read(MOST_BYTES).decode(errors="replace")
    return next((one for one in troubles(text, emulated=access.emulated) if one.fatal), None)


def console_size(access: Access) -> int:
    """Bytes recorded so far; 0 without a console."""
    path = Path(access.console) if access.console else None
    return path.stat().st_size if path is not None and path.is_file() else 0


def _console_name(step: Step, access: Access) -> str:
    console = Path(access.console)
    return step.relative(console) if console.is_relative_to(step.run_folder) else ""


def _known(ledger: Path) -> dict[str, CaseResult]:
    if not ledger.exists():
        return {}
    return {e.name: from_json(e.data, CaseResult) for e in read(ledger) if e.what == "case"}


def _kept(before: CaseResult | None, now: CaseResult) -> CaseResult:
    """Seen again: where it was seen first stays."""
    if before is None:
        return now
    first = {"during": before.properties["during"]}
    return msgspec.structs.replace(now, properties=now.properties | first)


def _write(step: Step, journal: Journal, lane: str, case: CaseResult) -> None:
    data = msgspec.Raw(to_json(case))
    at = step.deadline.clock.wall()
    journal.append(Event(at=at, what="case", name=case.name, data=data))
    step.watcher.case(f"suites/{lane}/{SUITE}", case)
