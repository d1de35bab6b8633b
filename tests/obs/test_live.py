"""What is told while waiting, on recorded answers."""

from __future__ import annotations

from pathlib import Path

from ci.obs.live import more_of, told_build
from ci.obs.results import PackageState, parse_job_history
from tests.obs.fakes import FakeDoor, deadline, gone

DATA = Path(__file__).parents[1] / "data" / "obs"


def state(code: str, details: str = "") -> PackageState:
    return PackageState(
        project="p", repository="deb12", arch="x86_64", package="h", code=code, details=details
    )


def test_the_queue_is_told_while_it_waits() -> None:
    door = FakeDoor({"GET /build/_workerstatus": (DATA / "workerstatus.xml").read_bytes()})
    assert more_of(door, deadline(), state("scheduled")) == "0 wait, 1 of 1 workers build"


def test_the_worker_is_told_with_the_time_of_the_last_build() -> None:
    job = b"<jobstatus code='building'><workerid>w:2</workerid><lastduration>31</lastduration>"
    door = FakeDoor({"GET /build/p/deb12/x86_64/h/_jobstatus": job + b"</jobstatus>"})
    assert more_of(door, deadline(), state("building")) == "on w:2, the last time in 31 s"


def test_an_instance_that_does_not_tell_is_no_error() -> None:
    door = FakeDoor({"GET /build/_workerstatus": gone()})
    assert more_of(door, deadline(), state("scheduled", "waiting")) == "waiting"


def test_a_build_is_told_with_its_times() -> None:
    built = parse_job_history((DATA / "jobhistory.xml").read_bytes())[0]
    assert told_build(built) == "waited 8 s, built in 9 s on probe:1 (new build)"
