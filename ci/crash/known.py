"""Known issues: which crash has which ticket, who owns it, and until when it is waived.

    [[issue]]
    signature = "libvirtd: assert fd == ev->fd in libxl_osevent_occurred_fd"
    ticket = "https://bugs.example.org/1234"
    owner = "virt team"
    waived_until = 2027-01-31
    reason = "fixed upstream, waits for the next update"

A crash with a ticket is still a failure. Waived, it does not stop a run, until the day is over.
"""

from __future__ import annotations

import datetime
import fnmatch
from pathlib import Path

from ci.codec import decode, parse_toml, read_text
from ci.errors import UsageError
from ci.model import Record


class KnownIssue(Record, frozen=True, kw_only=True):
    """``signature`` may hold * and ?. A waiver needs a reason and a last day."""

    signature: str
    ticket: str
    owner: str
    waived_until: datetime.date | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        if not self.signature.strip("*? "):
            raise ValueError("this signature fits every crash")
        if self.waived_until is not None and not self.reason.strip():
            raise ValueError("a waiver needs a reason")

    def fits(self, signature: str) -> bool:
        """Whether this is the issue of a crash called ``signature``."""
        return signature == self.signature or fnmatch.fnmatchcase(signature, self._pattern())

    def waives(self, today: datetime.date) -> bool:
        """Whether it is waived on that day; the last day is included."""
        return self.waived_until is not None and today <= self.waived_until

    def label(self, today: datetime.date) -> str:
        """For reports: ``ticket (owner)`` and what became of the waiver."""
        if self.waived_until is None:
            return f"{self.ticket} ({self.owner})"
        state = "waived until" if self.waives(today) else "the waiver expired on"
        return f"{self.ticket} ({self.owner}), {state} {self.waived_until}"

    def _pattern(self) -> str:
        """Brackets of expressions are meant as they are written."""
        return self.signature.replace("[", "[[]")


class KnownIssues(Record, frozen=True, kw_only=True):
    """A file of known issues."""

    issue: tuple[KnownIssue, ...] = ()

    def of(self, signature: str) -> KnownIssue | None:
        """The issue of a crash; an exact signature wins over a pattern."""
        exact = (one for one in self.issue if one.signature == signature)
        return next(exact, next((one for one in self.issue if one.fits(signature)), None))


def read_known(path: Path) -> KnownIssues:
    """Raises UsageError with file and line when it is not right or one signature is there twice."""
    text = read_text(path)
    known = decode(parse_toml(text, path), KnownIssues, source=str(path), text=text)
    seen: set[str] = set()
    for one in known.issue:
        if one.signature in seen:
            raise UsageError(f'{path}: the signature "{one.signature}" is there twice')
        seen.add(one.signature)
    return known
