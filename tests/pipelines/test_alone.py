"""Behind a suite of a command somebody looks what died there: once, and again where it failed."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.launch.target import SuiteEnd, Target
from ci.model import LeftCore, Looked, Replaced, Served
from ci.pipelines import alone
from ci.pipelines.alone import explain_after
from ci.pipelines.crashes import Explained
from ci.report.loading import load
from ci.report.results import RunHeader
from ci.run import Run
from tests.pipelines.test_crashes import outcomes

TARGET = Target(host="test", uri="test+unix:///default?socket=/nobody", hypervisor="test")
END = SuiteEnd(suite="tck", host="test", counts={"passed": 3}, ledger="")
CORE = LeftCore(program="virtlogd", pid=4711, path="/var/crash/core", at=1.0)
WAS = Served(program="libvirtd", pid=812, start=1, idles=False, at=1.0)
DIED = Looked(cores=(CORE,))
REPLACED = Looked(replaced=(Replaced(was=WAS),))


class Looks:
    """What the look of each sitting finds; ``count`` of them were taken."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.count = 0
        self.finds = Looked()
        monkeypatch.setattr(alone, "look_for_cores", self.look)

    def look(self, *_: object) -> Looked:
        self.count += 1
        return self.finds

    def sitting(self, finds: Looked, *, lasts: bool = True) -> Explained | None:
        """The command's end: begun, or gone on with."""
        self.finds = finds
        run = Run(self.folder)
        try:
            if self.count == 0:
                run.note("run", "tck", RunHeader(plan="tck", plan_digest="d", virtci="v"))
            return explain_after(run, TARGET, END, lasts=lasts)
        finally:
            run.close()


@pytest.fixture
def looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Looks:
    return Looks(tmp_path / "run", monkeypatch)


def test_where_nothing_died_nothing_is_explained_and_a_later_core_is_not_blamed(
    looks: Looks,
) -> None:
    assert looks.sitting(Looked()) is None
    assert looks.sitting(DIED) is None  # it came on another day
    assert looks.count == 1
    assert load(looks.folder).suites == ()


def test_who_could_not_look_looks_again_when_the_run_is_gone_on_with(looks: Looks) -> None:
    assert looks.sitting(Looked(trouble="ssh: no way in")) is None
    assert load(looks.folder).unlooked == ("test/tck: ssh: no way in",)
    assert looks.sitting(DIED) is not None
    assert load(looks.folder).unlooked == ()


def test_what_died_is_explained_once(looks: Looks) -> None:
    told = looks.sitting(DIED)
    assert told is not None
    assert told.signatures == ("virtlogd: core that was not read",)
    assert looks.sitting(Looked()) is None
    assert outcomes(load(looks.folder)) == {"tck-crashes": {"failed": 1}}


def test_a_replaced_daemon_is_a_failure_only_where_the_suite_restarts_none(looks: Looks) -> None:
    assert looks.sitting(REPLACED, lasts=False) is None
    assert load(looks.folder).suites == ()


def test_a_daemon_that_a_conformance_suite_lost_is_one(looks: Looks) -> None:
    told = looks.sitting(REPLACED)
    assert told is not None
    assert told.signatures == ("libvirtd: ended without a core",)
