"""Avocado's results.json, which avocado-vt writes as well."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import msgspec

from ci.errors import InfraError
from ci.model import Outcome
from suites.external.case import Finding, failed

OUTCOMES = {
    "PASS": Outcome.PASSED,
    "WARN": Outcome.PASSED,
    "SKIP": Outcome.SKIPPED,
    "CANCEL": Outcome.SKIPPED,
    "ERROR": Outcome.BROKEN,
    "INTERRUPTED": Outcome.BROKEN,
}


NUMBER = re.compile(r"^\d+-")  # of the test in its job, in front of its id
LINES = 40


class Test(msgspec.Struct):
    """One entry; Avocado writes more than this. ``time`` is of versions before 70."""

    id: str
    status: str
    time_elapsed: float = 0.0
    time: float = 0.0
    fail_reason: str | None = None
    logfile: str = ""

    @property
    def seconds(self) -> float:
        return self.time_elapsed or self.time


class Results(msgspec.Struct):
    tests: list[Test]


def parse(text: str, *, source: str) -> tuple[Finding, ...]:
    """Every test of a results.json. Raises InfraError when it is none."""
    try:
        results = msgspec.json.decode(text, type=Results)
    except msgspec.MsgspecError as error:
        raise InfraError(f"{source} is no results.json of Avocado: {error}") from None
    names = Counter(NUMBER.sub("", test.id) for test in results.tests)
    return tuple(_finding(test, names) for test in results.tests)


def _finding(test: Test, names: Counter[str]) -> Finding:
    plain = NUMBER.sub("", test.id)  # the same in a job of other tests
    name = plain if names[plain] == 1 else test.id
    reason = test.fail_reason if test.fail_reason not in (None, "<unknown>") else ""
    outcome = OUTCOMES.get(test.status, Outcome.FAILED)
    if test.status == "INTERRUPTED" and "timeout" in reason.lower():
        outcome = Outcome.FAILED  # what was tested did not come to an end
    if outcome is Outcome.FAILED:
        return failed(name, reason or f"status {test.status}", _log(test), test.seconds)
    message = "" if outcome is Outcome.PASSED else (reason or f"status {test.status}")
    detail = _log(test) if outcome is Outcome.BROKEN else ""
    return Finding(name=name, outcome=outcome, message=message, detail=detail, seconds=test.seconds)


def _log(test: Test) -> str:
    """The end of the test's own log, if it is there."""
    path = Path(test.logfile)
    if not test.logfile or not path.is_file():
        return ""
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-LINES:])
