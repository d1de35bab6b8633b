"""Events missed, doubled, out of order, a bus that goes away: each build starts one run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from ci.deadline import Deadline
from ci.errors import InfraError
from ci.obs.bus import Listener
from ci.obs.claims import Claim
from ci.obs.door import Unreachable
from ci.obs.notices import Notice
from ci.obs.rules import Bus, JenkinsJob, Rule, RunPlan, Watch
from ci.obs.trigger import Starter
from ci.obs.watch import Watcher
from tests.clock import FakeClock
from tests.obs.fakes import FakeDoor, history, results

BEGUN = 1_700_000_000
META = (
    b'<project name="p"><repository name="deb12"><path project="b" repository="s"/>'
    b"<arch>x86_64</arch></repository></project>"
)
HISTORY = "GET /build/p/deb12/x86_64/_jobhistory"


def notice(rev: int, *, package: str = "hello") -> Notice:
    """The event of the same build that ``job`` tells."""
    return Notice(
        kind="package.build_success",
        project="p",
        package=package,
        repository="deb12",
        arch="x86_64",
        rev=str(rev),
        srcmd5=f"m{rev}",
        versrel=f"1.0-{rev}",
        bcnt="1",
        started=BEGUN + rev,
        at=BEGUN + rev + 5,
    )


def job(rev: int) -> str:
    return f"hello {rev} m{rev} succeeded {BEGUN + rev}"


@dataclass
class FakeStarter:
    """Counts what is started; ``fail`` is how often it does not work at first."""

    names: list[str] = field(default_factory=list)
    fail: int = 0
    children: dict[str, int] = field(default_factory=dict)
    ended: dict[str, int] = field(default_factory=dict)

    def start(self, claim: Claim, what: RunPlan | JenkinsJob) -> str:
        if self.fail:
            self.fail -= 1
            raise InfraError("not now")
        self.names.append(claim.notice.rev)
        return claim.id

    def reap(self) -> int:
        return 0


@dataclass
class FakeListener:
    """Each turn gives one batch; an exception is raised."""

    clock: FakeClock
    turns: list[list[Notice] | Exception]

    def listen(self, seconds: float) -> Iterator[Notice]:
        if not self.turns:
            self.clock.sleep(seconds)
            return
        turn = self.turns[0]
        if isinstance(turn, Exception):
            self.turns.pop(0)
            raise turn
        while turn:
            yield turn.pop(0)
        self.turns.pop(0)
        self.clock.sleep(seconds)

    def close(self) -> None: ...


def watch(folder: Path, *, bus: bool = True, **rule: object) -> Watch:
    return Watch(
        state=str(folder),
        every=20.0,
        bus=Bus(url="amqp://bus.example") if bus else None,
        rules=(Rule(project="p", start=RunPlan(plan="x"), **rule),),  # type: ignore[arg-type]
    )


@dataclass
class Scene:
    """A watcher with fakes around it."""

    folder: Path
    door: FakeDoor
    turns: list[list[Notice] | Exception] = field(default_factory=list)
    starter: FakeStarter = field(default_factory=FakeStarter)
    clock: FakeClock = field(default_factory=FakeClock)
    said: list[str] = field(default_factory=list)
    connects: int = 0

    def run(self, plan: Watch, seconds: float = 60.0, *, once: bool = False) -> list[str]:
        def listen(_: Bus) -> Listener:
            self.connects += 1
            return cast("Listener", FakeListener(self.clock, self.turns))

        starter = cast("Starter", self.starter)
        watcher = Watcher(plan, self.door, starter, self.said.append, listen)
        watcher.run(Deadline.after(seconds, self.clock, threading.Event()), once=once)
        return sorted(self.starter.names)


def door(*jobs: str) -> FakeDoor:
    return FakeDoor({"GET /source/p/_meta": META, HISTORY: history(*jobs)})


def test_an_event_starts_a_run(tmp_path: Path) -> None:
    assert Scene(tmp_path, door(), [[notice(1)]]).run(watch(tmp_path)) == ["1"]


def test_doubled_and_reordered_events_start_one_run_each(tmp_path: Path) -> None:
    turns: list[list[Notice] | Exception] = [[notice(2), notice(1)], [notice(1), notice(2)]]
    assert Scene(tmp_path, door(), turns).run(watch(tmp_path)) == ["1", "2"]


def test_a_bus_that_is_never_silent_does_not_keep_runs_from_starting(tmp_path: Path) -> None:
    other = [notice(n, package="other") for n in range(500)]
    scene = Scene(tmp_path, door(), [[notice(1), *other, notice(2), *other]])
    assert scene.run(watch(tmp_path, package="hello")) == ["1", "2"]
    started = [line.split()[0] for line in scene.said if "listening" not in line]
    assert started == ["package.build_success:", "started"] * 2


def test_a_missed_event_is_caught_up_from_the_history(tmp_path: Path) -> None:
    scene = Scene(tmp_path, door(job(1), job(2)), [[notice(1)]])
    assert scene.run(watch(tmp_path)) == ["1", "2"]


def test_without_a_bus_the_history_alone_starts_runs(tmp_path: Path) -> None:
    scene = Scene(tmp_path, door(job(1)))
    assert scene.run(watch(tmp_path, bus=False)) == ["1"]
    assert scene.connects == 0


def test_builds_before_the_first_start_do_not_count(tmp_path: Path) -> None:
    assert Scene(tmp_path, door(job(-1000), job(1))).run(watch(tmp_path)) == ["1"]


def test_a_restart_goes_on_where_it_was(tmp_path: Path) -> None:
    assert Scene(tmp_path, door(job(1))).run(watch(tmp_path)) == ["1"]
    later = FakeClock()
    later.sleep(5000)
    again = Scene(tmp_path, door(job(1), job(2)), clock=later)
    assert again.run(watch(tmp_path)) == ["2"]


def test_a_lost_connection_is_made_again_with_growing_pauses(tmp_path: Path) -> None:
    gone = Unreachable("the message bus is gone: cut")
    scene = Scene(tmp_path, door(), [[notice(1)], gone, [], gone, [notice(2)]])
    assert scene.run(watch(tmp_path)) == ["1", "2"]
    assert scene.connects == 3
    assert "the message bus is gone: cut; again in 1 s" in scene.said


def test_a_service_that_does_not_answer_is_asked_again(tmp_path: Path) -> None:
    away = door(job(1))
    away.answers[HISTORY] = [Unreachable("away"), history(job(1))]
    assert Scene(tmp_path, away).run(watch(tmp_path)) == ["1"]


def test_a_start_that_fails_is_tried_again(tmp_path: Path) -> None:
    scene = Scene(tmp_path, door(), [[notice(1)]], FakeStarter(fail=1))
    assert scene.run(watch(tmp_path), 120) == ["1"]
    assert any("not now" in line for line in scene.said)


def test_a_rule_waits_for_the_repository_to_be_published(tmp_path: Path) -> None:
    building = results("deb12 x86_64 hello succeeded")
    published = results("deb12 x86_64 hello succeeded published")
    instance = door()
    instance.answers["GET /build/p/_result"] = [building, building, published]
    scene = Scene(tmp_path, instance, [[notice(1)]])
    assert scene.run(watch(tmp_path, published=True)) == ["1"]
    assert instance.count("GET /build/p/_result") == 3


def test_once_ends_after_one_run(tmp_path: Path) -> None:
    scene = Scene(tmp_path, door(job(1), job(2)))
    assert scene.run(watch(tmp_path), once=True) == ["1"]
    assert scene.clock.now < 60


def test_projects_by_glob_are_looked_up(tmp_path: Path) -> None:
    instance = door(job(1))
    instance.answers["GET /source"] = b'<directory><entry name="p"/><entry name="q"/></directory>'
    plan = Watch(state=str(tmp_path), rules=(Rule(project="p*", start=RunPlan(plan="x")),))
    assert Scene(tmp_path, instance).run(plan) == ["1"]
