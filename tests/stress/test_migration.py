"""What is wrong with a second host is told before a guest is moved."""

from __future__ import annotations

from pathlib import Path

from ci.model import Outcome
from suites.stress.options import Options
from suites.stress.paging import parse_offered
from tests.stress.loop import Looped, loop

HERE = "test:///default"
XL_INFO = "release : 6.1.0\nvirt_caps              : pv hvm hap gnttab-v1\nxen_major : 4\n"


def migrated(folder: Path, destination: str) -> Looped:
    return loop(
        Options(
            connect=HERE,
            ledger=str(folder / "ledger"),
            scenario="migration",
            loops=1,
            destination=destination,
        )
    )


def test_a_destination_that_is_the_same_host_is_refused(tmp_path: Path) -> None:
    done = migrated(tmp_path, HERE)
    assert done.status == 2, done.said
    assert f"--destination {HERE} is the very host that is stressed" in done.said


def test_a_second_host_that_does_not_answer_is_the_labs_fault(tmp_path: Path) -> None:
    done = migrated(tmp_path, "test+unix:///default?socket=/nowhere/libvirt-sock")
    (case,) = done.cases
    assert case.outcome is Outcome.BROKEN, case.message
    assert "cannot connect to the second host" in case.message
    assert done.verdict.outcome == "INCONCLUSIVE"


def test_what_xen_offers_is_read_and_an_old_xl_says_nothing() -> None:
    assert parse_offered(XL_INFO) == {"pv", "hvm", "hap", "gnttab-v1"}
    assert parse_offered("release : 6.1.0\n") == frozenset()
