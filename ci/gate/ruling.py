"""What a gate says, and who has waived what until when."""

from __future__ import annotations

import datetime
import enum
from fnmatch import fnmatchcase
from typing import Annotated

from msgspec import Meta

from ci.model import Record
from ci.report.tallies import Tally


class Verdict(enum.StrEnum):
    """INCONCLUSIVE never passes: what was not shown is not known."""

    PASS = "pass"  # noqa: S105 - a verdict, no password
    INCONCLUSIVE = "inconclusive"
    FAIL = "fail"


class Ruling(Record, frozen=True, kw_only=True):
    """The verdict on one requirement, with every reason."""

    requirement: str
    verdict: Verdict
    reasons: tuple[str, ...] = ()


class Waiver(Record, frozen=True, kw_only=True):
    """``[[waivers]]``: a known failure that may pass, until the end of that day (UTC).

    Names a ``signature`` (its id) or a ``test`` ("suite/area/name", with * and ?).
    """

    owner: Annotated[str, Meta(min_length=1)]
    until: datetime.date
    reason: Annotated[str, Meta(min_length=1)]
    signature: str = ""
    test: str = ""

    def __post_init__(self) -> None:
        if bool(self.signature) == bool(self.test):
            raise ValueError("a waiver names either a signature or a test")

    def __str__(self) -> str:
        return f"{self.signature or self.test} by {self.owner} until {self.until}: {self.reason}"

    def covers(self, tally: Tally, signature: str = "") -> bool:
        if self.signature:
            named = {signature} if signature else set(tally.signatures)
            return named == {self.signature}
        return fnmatchcase(f"{tally.suite}/{tally.name}", self.test)


class Waivers:
    """Applies waivers and remembers which were used."""

    def __init__(self, waivers: tuple[Waiver, ...], today: datetime.date) -> None:
        self.valid = [one for one in waivers if today <= one.until]
        self.expired = [one for one in waivers if today > one.until]
        self.used: list[Waiver] = []

    def cover(self, tally: Tally, signature: str = "") -> bool:
        for one in self.valid:
            if one.covers(tally, signature):
                if one not in self.used:
                    self.used.append(one)
                return True
        return False
