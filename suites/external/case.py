"""What every reader of foreign results gives: cases without suite, host and place."""

from __future__ import annotations

import re

from ci.model import CaseResult, Outcome, Record

NO_SUPPORT = re.compile(
    r"(?:this function is not supported by the connection driver: (\w+))"
    r"|(?:libvirt error code: (?:3|67|74|84)\b.*)"
)


class Finding(Record, frozen=True, kw_only=True):
    """One verdict of a foreign suite. Anything but a pass says why."""

    name: str
    outcome: Outcome
    message: str = ""
    detail: str = ""
    seconds: float = 0.0

    def case(self, suite: str, host: str) -> CaseResult:
        return CaseResult(
            suite=suite,
            name=self.name,
            outcome=self.outcome,
            seconds=self.seconds,
            host=host,
            message=self.message or ("" if self.outcome is Outcome.PASSED else "no reason given"),
            detail=self.detail,
        )


def failed(name: str, message: str, detail: str = "", seconds: float = 0.0) -> Finding:
    """A failure; unsupported when the text says that the driver does not have the call."""
    found = NO_SUPPORT.search(f"{message}\n{detail}")
    outcome = Outcome.UNSUPPORTED if found else Outcome.FAILED
    reason = found[0] if found else message
    return Finding(name=name, outcome=outcome, message=reason, detail=detail, seconds=seconds)
