"""What the build service answers, on recorded answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.errors import InfraError
from ci.obs.results import (
    parse_answer,
    parse_binaries,
    parse_job_history,
    parse_queue,
    parse_reason,
    parse_results,
)
from ci.obs.sources import parse_directory, parse_revisions

DATA = Path(__file__).parents[1] / "data" / "obs"


def read(name: str) -> bytes:
    return (DATA / name).read_bytes()


def test_every_package_of_a_project_has_its_state_and_its_details() -> None:
    results = parse_results(read("result-mixed.xml"))
    states = {p.package: p for p in results.packages}
    assert len(states) == 13
    assert states["hello-svc"].details == "building on probe:1"
    assert not states["hello-svc"].final
    assert states["hello-empty"].code == "broken"
    assert states["hello-empty"].final


def test_a_state_that_the_scheduler_has_yet_to_look_at_is_not_final() -> None:
    stale = read("result-mixed.xml").replace(
        b'state="building">', b'state="scheduling" dirty="true">'
    )
    hello = next(p for p in parse_results(stale).packages if p.package == "hello")
    assert hello.code == "succeeded"
    assert not hello.final


def test_builds_are_told_with_their_worker_and_their_times() -> None:
    first = parse_job_history(read("jobhistory.xml"))[0]
    assert (first.package, first.release, first.worker) == ("hello", "1.0-1.1", "probe:1")
    assert first.ended - first.started == 9


def test_binaries_have_size_and_time() -> None:
    names = [b.name for b in parse_binaries(read("binarylist.xml"))]
    assert "hello-1.0-1.2.x86_64.rpm" in names


def test_a_link_tells_its_target_and_its_expansion() -> None:
    link = parse_directory(read("source-link.xml"))
    assert link.link == "home:tester:app/hello"
    assert link.expanded == "9bc92b14233626985a2507ea95456055"


def test_revisions_tell_who_and_when() -> None:
    (revision,) = parse_revisions(read("history.xml"))
    assert (revision.rev, revision.user, revision.comment) == ("1", "tester", "first")


def test_the_reason_of_a_build_is_told() -> None:
    assert parse_reason(read("reason.xml")).text == "new build"


def test_the_queue_counts_workers_and_jobs() -> None:
    queue = parse_queue(read("workerstatus.xml"), "x86_64")
    assert (queue.building, queue.workers, queue.waiting) == (1, 1, 0)


def test_an_error_answer_is_told_by_its_summary() -> None:
    said = parse_answer(read("buildlog_unresolvable.txt"))
    assert said == "remote error: package 'hello-unres' has no logfile"


@pytest.mark.parametrize(
    "answer",
    [b"", b"<html>", b"<other/>", b'<!DOCTYPE a [<!ENTITY b "c">]><resultlist>&b;</resultlist>'],
)
def test_anything_else_is_the_lab_s_fault(answer: bytes) -> None:
    with pytest.raises(InfraError):
        parse_results(answer)
