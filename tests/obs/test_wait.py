"""Waiting for builds is never fooled, asks once for all, and ends in time."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import pytest

from ci.deadline import Deadline
from ci.errors import InfraError, Interrupted, TimedOut
from ci.obs.door import Unreachable
from ci.obs.target import Place
from ci.obs.wait import Waiter, Wanted, wait_published
from tests.obs.fakes import FakeDoor, deadline, history, results

PLACE = Place(repository="deb12", arch="x86_64")
RESULT, HISTORY = "GET /build/p/_result", "GET /build/p/deb12/x86_64/_jobhistory"


def wanted(package: str = "hello", srcmd5: str = "new", after: int = 0) -> Wanted:
    return Wanted(package=package, place=PLACE, srcmd5=srcmd5, after=after)


def waiter(door: FakeDoor, *what: Wanted, said: list[str] | None = None) -> Waiter:
    say = (said if said is not None else []).append
    return Waiter(door, deadline(), "p", what or (wanted(),), say)


def test_a_success_of_older_sources_does_not_count() -> None:
    door = FakeDoor(
        {
            RESULT: [
                results("deb12 x86_64 hello succeeded dirty", state="1"),
                results("deb12 x86_64 hello succeeded", state="2"),
                results("deb12 x86_64 hello building", state="3"),
                results("deb12 x86_64 hello succeeded", state="4"),
            ],
            HISTORY: [
                history("hello 1 old succeeded 100"),
                history("hello 1 old succeeded 100", "hello 2 new succeeded 200"),
            ],
        }
    )
    (ended,) = waiter(door).wait()
    assert ended.built is not None
    assert (ended.built.rev, ended.built.srcmd5) == ("2", "new")
    assert door.count(RESULT) == 4


def test_an_equal_content_under_another_revision_counts() -> None:
    door = FakeDoor(
        {
            RESULT: results("deb12 x86_64 hello succeeded"),
            HISTORY: history("hello 1 old succeeded 100").replace(
                b'workerid="w:1"', b'workerid="w:1" verifymd5="same"'
            ),
        }
    )
    one = Wanted(package="hello", place=PLACE, srcmd5="new", verifymd5="same")
    (ended,) = waiter(door, one).wait()
    assert ended.state.code == "succeeded"


def test_a_rebuild_waits_for_a_build_that_began_after_it() -> None:
    door = FakeDoor(
        {
            RESULT: [results("deb12 x86_64 hello succeeded", state=str(n)) for n in range(3)],
            HISTORY: [
                history("hello 2 new succeeded 100"),
                history("hello 2 new succeeded 100", "hello 2 new succeeded 150"),
            ],
        }
    )
    (ended,) = waiter(door, wanted(after=100)).wait()
    assert ended.built is not None
    assert ended.built.started == 150


def test_what_was_never_tried_is_final_as_soon_as_nothing_is_dirty() -> None:
    door = FakeDoor(
        {
            RESULT: [
                results("deb12 x86_64 hello unresolvable dirty", state="1"),
                results("deb12 x86_64 hello unresolvable", state="2"),
            ]
        }
    )
    (ended,) = waiter(door).wait()
    assert (ended.state.code, ended.built) == ("unresolvable", None)


def test_two_hundred_packages_take_one_question_not_two_hundred() -> None:
    names = [f"p{n}" for n in range(200)]
    lines = [f"deb12 x86_64 {n} succeeded" for n in names]
    door = FakeDoor(
        {
            RESULT: [results(*(f"{line} dirty" for line in lines)), results(*lines, state="2")],
            HISTORY: history(*(f"{n} 1 new succeeded 100" for n in names)),
        }
    )
    ended = waiter(door, *(wanted(package=n) for n in names)).wait()
    assert len(ended) == 200
    assert len(door.asked) == 3


@dataclass
class SilentDoor(FakeDoor):
    """Holds answers back as the service does: silence for as long as it is given."""

    def call(self, method: str, path: str, deadline: Deadline, **more: Any) -> bytes:
        if "oldstate" in dict(more["query"]):
            deadline.clock.sleep(more["seconds"])
        return super().call(method, path, deadline, **more)


def test_silence_is_no_answer_and_no_error() -> None:
    door = SilentDoor(
        {
            RESULT: [
                results("deb12 x86_64 hello building"),
                Unreachable("silent"),
                results("deb12 x86_64 hello succeeded", state="2"),
            ],
            HISTORY: history("hello 2 new succeeded 100"),
        }
    )
    assert waiter(door).wait()[0].state.code == "succeeded"
    asked = [dict(query) for request, query in door.asked if request == RESULT]
    assert [query.get("oldstate", "") for query in asked] == ["", "s1", "s1"]


def test_a_service_that_is_gone_is_told_and_not_asked_for_ever() -> None:
    door = FakeDoor({RESULT: [results("deb12 x86_64 hello building"), Unreachable("gone")]})
    with pytest.raises(Unreachable):
        waiter(door).wait()
    assert door.count(RESULT) == 3


def test_each_change_of_state_is_told_once() -> None:
    said: list[str] = []
    door = FakeDoor(
        {
            RESULT: [
                results("deb12 x86_64 hello scheduled", state="1"),
                results("deb12 x86_64 hello scheduled", state="2"),
                results("deb12 x86_64 hello succeeded", state="3"),
            ],
            HISTORY: history("hello 2 new succeeded 100"),
        }
    )
    waiter(door, said=said).wait()
    assert said == ["hello deb12/x86_64: scheduled", "hello deb12/x86_64: succeeded"]


def test_at_the_deadline_it_says_what_is_not_built_and_how_to_learn_why() -> None:
    door = FakeDoor({RESULT: results("deb12 x86_64 hello scheduled")})
    with pytest.raises(TimedOut, match="hello deb12/x86_64: scheduled") as caught:
        waiter(door).wait()
    assert caught.value.hint == "virtci obs why p/hello deb12/x86_64"


def test_a_stop_ends_the_wait() -> None:
    stop = threading.Event()
    stop.set()
    door = FakeDoor({RESULT: results("deb12 x86_64 hello scheduled")})
    with pytest.raises(Interrupted):
        Waiter(door, deadline(stop=stop), "p", (wanted(),), print).wait()


def test_published_is_waited_for() -> None:
    door = FakeDoor(
        {
            RESULT: [
                results("deb12 x86_64 hello succeeded"),
                results("deb12 x86_64 hello succeeded published dirty", state="2"),
                results("deb12 x86_64 hello succeeded published", state="3"),
            ]
        }
    )
    wait_published(door, deadline(), "p", (PLACE,), print)
    assert door.count(RESULT) == 3


def test_a_repository_that_cannot_be_published_is_the_lab_s() -> None:
    broken = results("deb12 x86_64 hello succeeded").replace(b'state="building"', b'state="broken"')
    with pytest.raises(InfraError, match="cannot be published"):
        wait_published(FakeDoor({RESULT: broken}), deadline(), "p", (PLACE,), print)
