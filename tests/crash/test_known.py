"""Known issues label crashes and waive them until a day, no longer."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from ci.crash.known import KnownIssues, read_known
from ci.errors import UsageError

SIGNATURE = "libvirtd: assert a[0] == b in libxl_foo"
TEXT = f"""
[[issue]]
signature = "{SIGNATURE}"
ticket = "BUG-1"
owner = "virt team"
waived_until = 2026-12-31
reason = "the fix is in review"

[[issue]]
signature = "libvirtd: SIGSEGV in libxlDomain*"
ticket = "BUG-2"
owner = "virt team"
"""


def known(folder: Path, text: str = TEXT) -> KnownIssues:
    path = folder / "known.toml"
    path.write_text(text)
    return read_known(path)


def test_a_crash_is_labelled_by_signature_or_pattern(tmp_path: Path) -> None:
    issues = known(tmp_path)
    first, second = issues.of(SIGNATURE), issues.of("libvirtd: SIGSEGV in libxlDomainStart < x")
    assert first is not None
    assert second is not None
    assert (first.ticket, second.ticket) == ("BUG-1", "BUG-2")
    assert issues.of("libvirtd: SIGSEGV in virFoo") is None


def test_a_waiver_ends_after_its_last_day(tmp_path: Path) -> None:
    issue = known(tmp_path).issue[0]
    assert issue.waives(date(2026, 12, 31))
    assert not issue.waives(date(2027, 1, 1))
    assert issue.label(date(2027, 1, 1)) == ("BUG-1 (virt team), the waiver expired on 2026-12-31")


def test_an_issue_without_a_waiver_waives_nothing(tmp_path: Path) -> None:
    assert not known(tmp_path).issue[1].waives(date(2026, 1, 1))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("the fix is in review", ""), "a waiver needs a reason"),
        (('"libvirtd: SIGSEGV in libxlDomain*"', '"*"'), "fits every crash"),
        (("waived_until = 2026-12-31", 'waived_until = "soon"'), r"known\.toml:6"),
        (("owner", "ownr"), "unknown key"),
        (("libvirtd: SIGSEGV in libxlDomain*", SIGNATURE), "is there twice"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, change: tuple[str, str], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        known(tmp_path, TEXT.replace(*change))
