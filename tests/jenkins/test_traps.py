"""What a real controller was seen to do that a client does not expect, one test each.

Restarts, lost ids, merged orders, consoles and pages have their tests in test_follow, test_api and
test_recorded; what a run only finds out, in test_lint.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ci.commands.jenkins_trigger import order_and_follow
from ci.deadline import Deadline
from ci.errors import InfraError
from ci.jenkins.controller import Controller
from ci.jenkins.follow import Follower
from ci.jenkins.pipeline import jenkinsfile
from ci.jenkins.plan import JenkinsPlan
from ci.jenkins.seen import BuildState, Case, QueueItem, seen
from ci.jenkins.verdict import LAB, verdict
from ci.jenkins.wanted import Source, job_xml, wanted
from tests.clock import FakeClock
from tests.jenkins import config_xml
from tests.jenkins.standin import Script, StandIn
from tests.jenkins.test_follow import Listener

JOB = "virt/suites"


def asked(state: StandIn, what: str) -> int:
    return sum(what in f"{method} {target}" for method, target in state.log)


def test_an_item_that_has_left_may_show_its_build_later(
    controller: Controller, state: StandIn, deadline: Deadline
) -> None:
    state.executable_late = 3
    follower = Follower(controller, JOB, Listener(), deadline)
    order = follower.place({"OUTCOME": "x"}, 1, parameterised=True)
    assert follower.number(order, {"OUTCOME": "x"}, 1) == 1
    assert state.executable_late == 0


@pytest.mark.parametrize("executable", ["", ',"executable":null'])
def test_a_missing_and_an_empty_executable_are_the_same(executable: str) -> None:
    text = f'{{"_class":"hudson.model.Queue$LeftItem","id":1,"cancelled":false{executable}}}'
    assert seen(text, QueueItem, what="item").executable is None


@pytest.mark.parametrize(
    ("building", "progress", "ended"),
    [(True, True, False), (False, True, False), (False, False, True)],
)  # fmt: skip
def test_a_result_is_no_end_while_the_build_goes_on(
    building: bool, progress: bool, ended: bool  # noqa: FBT001
) -> None:  # fmt: skip
    data = {"number": 1, "building": building, "inProgress": progress, "result": "UNSTABLE"}
    assert seen(json.dumps(data), BuildState, what="b").ended is ended


def test_a_duration_that_comes_after_the_end_is_waited_for(
    controller: Controller, state: StandIn, deadline: Deadline
) -> None:
    follower = Follower(controller, JOB, Listener(), deadline)
    order = follower.place({"OUTCOME": "x"}, 1, parameterised=True)
    assert follower.to_the_end(follower.number(order, {"OUTCOME": "x"}, 1)).duration == 1000


def test_an_aborted_build_that_nobody_stopped_is_the_labs() -> None:
    """An agent that does not come back after a restart ends so, after five minutes."""
    lost = BuildState(number=5, result="ABORTED", duration=330_493)
    assert verdict(lost).code == LAB
    assert verdict(lost, stopped_by_us=True).code == 130


def test_a_job_with_parameters_is_never_asked_for_without_them(
    controller: Controller, state: StandIn, deadline: Deadline
) -> None:
    """Plain ``build`` is refused there with "Nothing is submitted"."""
    assert order_and_follow(controller, JOB, {}, deadline) == 0
    assert (asked(state, "/buildWithParameters"), asked(state, "/build?")) == (1, 0)


def test_a_job_without_parameters_is_asked_for_plainly(
    controller: Controller, state: StandIn, deadline: Deadline
) -> None:
    """``buildWithParameters`` is an error without a reason there."""
    assert order_and_follow(controller, "virt/bare", {}, deadline) == 0
    assert asked(state, "/buildWithParameters") == 0


def test_parameters_and_triggers_are_in_the_config_and_not_left_to_the_first_run(
    state: StandIn,
) -> None:
    """What only the Jenkinsfile declares is there after a run, and gone with the next write."""
    plan = JenkinsPlan(cron="H 2 * * *", poll="H/5 * * * *")
    (facts,) = wanted([Source("p.toml", plan)]).jobs.values()
    names = {str(one["name"]) for one in config_xml.parameters(job_xml(facts))}
    assert {"PLAN", "SOURCE_REF", "HOSTS", "LOOPS", "EXTRA"} <= names
    assert "<spec>H 2 * * *</spec>" in job_xml(facts)
    assert "<spec>H/5 * * * *</spec>" in job_xml(facts)


def test_an_order_that_cannot_be_taken_back_any_more_is_looked_at(
    controller: Controller, state: StandIn, deadline: Deadline, clock: FakeClock
) -> None:
    """A cancelled item answers the second time with an error without a reason."""
    order = controller.order(JOB, {"OUTCOME": "x"}, deadline, parameterised=True)
    controller.cancel(order.queue_id, deadline)
    with pytest.raises(InfraError, match="500"):
        controller.cancel(order.queue_id, deadline)
    item = controller.queue_item(order.queue_id, deadline)
    assert item is not None
    assert item.cancelled


def test_a_test_that_failed_only_now_is_failed_too() -> None:
    said = ("FAILED", "REGRESSION", "PASSED", "FIXED", "SKIPPED")
    assert [status for status in said if Case(status=status).failed] == ["FAILED", "REGRESSION"]


def test_reasons_are_told_as_they_come_whatever_their_quotes_and_language(
    controller: Controller, state: StandIn, deadline: Deadline
) -> None:
    state.scripts[JOB] = Script(seconds=60, inner_why="‚bench-1‘ ist offline")  # noqa: RUF001
    listener = Listener()
    follower = Follower(controller, JOB, listener, deadline)
    order = follower.place({"OUTCOME": "x"}, 1, parameterised=True)
    follower.to_the_end(follower.number(order, {"OUTCOME": "x"}, 1))
    assert any("bench-1" in why for why in listener.why)


def test_stages_may_be_missing_altogether(
    controller: Controller, state: StandIn, deadline: Deadline
) -> None:
    """A Jenkinsfile that does not compile has none, and the plugin may not be there."""
    del state.plugins["pipeline-rest-api"]
    assert order_and_follow(controller, JOB, {"OUTCOME": "x"}, deadline) == 0


def test_junit_keeps_long_output_and_properties_and_survives_without_files() -> None:
    for line in jenkinsfile(JenkinsPlan(shards=2), "p.toml").splitlines():
        if "junit testResults" in line:
            for option in ("keepLongStdio", "keepProperties", "allowEmptyResults"):
                assert f"{option}: true" in line


def test_steps_that_need_an_agent_are_never_where_there_is_none() -> None:
    text = jenkinsfile(JenkinsPlan(), "p.toml")
    top = text.rsplit("\n    stage('Lanes')", 1)[1].rpartition("\n  }\n}")[2]
    assert "post" not in top, "a post of the whole pipeline has no agent"
    assert "lock(resource: null, label:" in text, "label alone is refused in Declarative"
    assert text.index("lock(") < text.index("agent { label 'virt-host' }")


def test_a_restart_between_the_end_and_the_results_loses_neither(
    controller: Controller,
    state: StandIn,
    deadline: Deadline,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cases = (("a.B", "c", "REGRESSION"),)
    state.scripts[JOB] = Script(
        result="UNSTABLE", cases=cases, artifacts={"a.txt": b"1", "b/c.txt": b"2"}
    )
    whole = Follower.to_the_end

    def then_restarted(self: Follower, number: int) -> BuildState:
        ended = whole(self, number)
        state.restart(down=30)
        return ended

    monkeypatch.setattr(Follower, "to_the_end", then_restarted)
    assert order_and_follow(controller, JOB, {"OUTCOME": "x"}, deadline, fetch=tmp_path) == 1
    assert (tmp_path / "b/c.txt").read_bytes() == b"2"


def test_thousands_of_failed_tests_are_not_all_printed(
    controller: Controller, state: StandIn, deadline: Deadline, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = tuple(("a.B", f"c{n}", "FAILED") for n in range(2000))
    state.scripts[JOB] = Script(result="UNSTABLE", cases=cases)
    assert order_and_follow(controller, JOB, {"OUTCOME": "x"}, deadline) == 1
    said = capsys.readouterr().out
    assert said.count("failed: a.B.c") == 50
    assert "and 1950 more" in said
