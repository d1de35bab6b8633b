"""What hosts need is made beside source and build, and never outlives them in vain."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from ci.deadline import Deadline, wait_until
from ci.errors import InfraError, Interrupted, ProductError
from ci.model import Build, Outcome, Tree
from ci.pipelines.main import pipeline
from ci.pipelines.plan import Plan
from ci.run import Run, Step
from ci.shell import Shell
from ci.watcher import Silent
from tests.pipelines.fake_plan import FakeBuilder, FakeHost, fake_plan, note

SOON = 30.0


class PreparedHost(FakeHost, frozen=True, kw_only=True):
    """Says when it is being prepared; ``endless`` takes until it is stopped."""

    endless: bool = False
    fails: bool = False

    def prepare(self, _shell: Shell, deadline: Deadline, *, say: Callable[[str], None]) -> None:
        note(self.calls, "prepare")
        say("a moment")
        if self.fails:
            raise InfraError("no mirror")
        if self.endless:
            while not deadline.stopped():
                threading.Event().wait(0.01)
            note(self.calls, "left")
            raise Interrupted("stopped")
        note(self.calls, "prepared")


class BuilderThatWaits(FakeBuilder, frozen=True, kw_only=True):
    """Ends when a line was written, or fails then."""

    line: str
    fails: bool = False

    def make(self, step: Step, tree: Tree) -> Build:
        calls = Path(self.calls)
        wait_until(self.line, lambda: self.line in calls.read_text(), Deadline.after(SOON))
        if self.fails:
            raise ProductError("it does not build")
        return FakeBuilder(calls=self.calls).make(step, tree)


def plan(calls: Path, line: str, *, endless: bool = False, fails: bool = False) -> Plan:
    """The builder waits for ``line``; ``fails`` for a build that does."""
    return msgspec.structs.replace(
        fake_plan(calls, Outcome.PASSED),
        build=BuilderThatWaits(calls=str(calls), line=line, fails=fails),
        hosts=(PreparedHost(calls=str(calls), endless=endless),),
    )


def go(folder: Path, wanted: Plan, *, until: str = "suites") -> None:
    run = Run(folder)
    try:
        pipeline(run, wanted, until=until)
    finally:
        run.close()


def test_a_host_is_prepared_before_the_build_has_ended(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    go(tmp_path / "run", plan(calls, "prepared"))
    told = calls.read_text().splitlines()
    assert told.index("prepared") < told.index("make") < told.index("acquire h1")


def test_a_build_that_fails_ends_the_preparation(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    go(tmp_path / "run", plan(calls, "prepare", endless=True, fails=True))
    assert calls.read_text().splitlines()[-1] == "left"
    assert "acquire" not in calls.read_text()


def test_a_stop_during_the_build_ends_the_preparation(tmp_path: Path) -> None:
    calls, stop = tmp_path / "calls", threading.Event()
    wanted = plan(calls, "", endless=True)
    wanted = msgspec.structs.replace(wanted, build=StoppedBuilder(calls=str(calls)))

    def stop_then() -> None:
        wait_until("a preparation", lambda: "prepare" in _text(calls), Deadline.after(SOON))
        stop.set()

    thread = threading.Thread(target=stop_then)
    thread.start()
    run = Run(tmp_path / "run", stop=stop)
    with pytest.raises(Interrupted):
        pipeline(run, wanted)
    thread.join()
    run.close()
    assert calls.read_text().splitlines()[-1] == "left"


class Heard(Silent):
    """Remembers when something began and how it ended."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def started(self, step: str) -> None:
        self.lines.append(f"{step} began")

    def ended(self, step: str, outcome: Outcome, seconds: float, *, again: bool) -> None:
        self.lines.append(f"{step} {outcome}")


@pytest.mark.parametrize(("endless", "outcome"), [(False, "passed"), (True, "skipped")])
def test_what_was_said_to_begin_is_said_to_end(
    tmp_path: Path,
    endless: bool,  # noqa: FBT001
    outcome: str,
) -> None:
    heard = Heard()
    wanted = plan(tmp_path / "calls", "prepare", endless=endless, fails=True)
    run = Run(tmp_path / "run", watcher=heard)
    pipeline(run, wanted)
    run.close()
    assert [line for line in heard.lines if line.startswith("ahead")] == [
        "ahead began",
        f"ahead {outcome}",
    ]


class StoppedBuilder(FakeBuilder, frozen=True, kw_only=True):
    """Waits for nothing but a stop."""

    def make(self, step: Step, tree: Tree) -> Build:
        wait_until("nothing", lambda: None, step.deadline.within(SOON), every=0.01)
        raise AssertionError("a wait for nothing ends in an error")


def test_what_cannot_be_prepared_is_left_to_the_hosts_own_step(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    host = PreparedHost(calls=str(calls), fails=True)
    go(tmp_path / "run", msgspec.structs.replace(fake_plan(calls, Outcome.PASSED), hosts=(host,)))
    assert "release h1" in calls.read_text()


def test_where_no_host_is_wanted_none_is_prepared(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    host = PreparedHost(calls=str(calls))
    wanted = msgspec.structs.replace(fake_plan(calls, Outcome.PASSED), hosts=(host,))
    go(tmp_path / "run", wanted, until="build")
    assert "prepare" not in calls.read_text()


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""
