"""Events from the queue, from the bus and from the history are the same events."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.errors import InfraError
from ci.obs.notices import Notice, notice_of_build, parse_message, parse_queue_batch
from ci.obs.results import PackageState, parse_job_history

DATA = Path(__file__).parents[1] / "data" / "obs"


def bus() -> list[Notice | None]:
    lines = (DATA / "events-rabbit-style.txt").read_text().splitlines()
    return [parse_message(key, body.encode()) for _, key, body in (n.split(" ", 2) for n in lines)]


def queue() -> tuple[Notice, ...]:
    return parse_queue_batch((DATA / "lastnotifications.xml").read_bytes()).notices


def test_the_queue_tells_builds_and_where_to_go_on() -> None:
    batch = parse_queue_batch((DATA / "lastnotifications.xml").read_bytes())
    assert batch.next == 130
    first = next(n for n in batch.notices if n.kind == "package.build_success")
    assert (first.package, first.rev, first.versrel, first.bcnt) == ("hello", "1", "1.0-1", "1")


def test_the_bus_tells_commits_builds_and_publications() -> None:
    kinds = {notice.kind for notice in bus() if notice is not None}
    assert {"package.commit", "package.build_success", "repo.published"} <= kinds


def test_a_build_has_one_identity_in_the_queue_and_in_the_history() -> None:
    place = PackageState(
        project="home:tester:app", repository="deb12", arch="x86_64", package="", code=""
    )
    history = parse_job_history((DATA / "jobhistory.xml").read_bytes())
    from_history = {n.identity for b in history if (n := notice_of_build(place, b)) is not None}
    assert from_history
    assert from_history <= {notice.identity for notice in queue()}


def test_events_of_no_interest_are_left_out() -> None:
    assert (
        parse_message("opensuse.obs.request.create", b'{"actions": [{"type": "submit"}]}') is None
    )


def test_a_message_that_is_no_json_says_which() -> None:
    with pytest.raises(InfraError, match=r"package\.build_fail"):
        parse_message("opensuse.obs.package.build_fail", b"<xml/>")
