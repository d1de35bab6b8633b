"""The same whole story on the stand-in and, where JENKINS_URL, JENKINS_USER and JENKINS_TOKEN are
set, on that controller: everything happens in a folder of its own, which is deleted at the end."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

import pytest

from ci.deadline import Deadline
from ci.jenkins.api import Door, Refused
from ci.jenkins.apply import apply, destroy
from ci.jenkins.change import Change, Kind, changes, listing
from ci.jenkins.controller import Controller
from ci.jenkins.doctor import State, checks
from ci.jenkins.doctor import Wanted as Asked
from ci.jenkins.follow import Follower
from ci.jenkins.login import login_from
from ci.jenkins.patience import Patience
from ci.jenkins.pipeline import jenkinsfile
from ci.jenkins.plan import JenkinsParameter, JenkinsPlan
from ci.jenkins.seen import BuildState
from ci.jenkins.validator import problems
from ci.jenkins.verdict import verdict
from ci.jenkins.wanted import Source, folder_xml, wanted
from tests.clock import FakeClock
from tests.jenkins import jobs
from tests.jenkins.standin import Script, StandIn
from tests.jenkins.test_follow import Listener
from tests.jenkins.transport import controller_on

REAL = bool(os.environ.get("JENKINS_URL"))
SCRIPT = """pipeline { agent any
 options { timeout(time: 5, unit: 'MINUTES') }
 parameters {
  choice(name: 'OUTCOME', choices: ['pass', 'unstable', 'fail', 'long'], description: '')
 }
 stages { stage('One') { steps { script {
  echo "asked for ${params.OUTCOME}"
  if (params.OUTCOME == 'unstable') { unstable('as asked') }
  if (params.OUTCOME == 'fail') { error('as asked') }
  if (params.OUTCOME == 'long') { sleep 200 }
 } } } } }
"""
CHOICE = """<hudson.model.ParametersDefinitionProperty><parameterDefinitions>
<hudson.model.ChoiceParameterDefinition><name>OUTCOME</name><description/>
<choices class="java.util.Arrays$ArrayList"><a class="string-array"><string>pass</string>
<string>unstable</string><string>fail</string><string>long</string></a></choices>
</hudson.model.ChoiceParameterDefinition>
</parameterDefinitions></hudson.model.ParametersDefinitionProperty>"""


@dataclass(frozen=True)
class Place:
    """A controller with a folder of our own on it."""

    controller: Controller
    deadline: Deadline
    folder: str

    @property
    def job(self) -> str:
        return f"{self.folder}/story"

    @property
    def patience(self) -> Patience:
        return Patience(self.deadline)


@pytest.fixture(params=["stand-in", *(["real"] if REAL else [])])
def place(request: pytest.FixtureRequest, clock: FakeClock) -> Iterator[Place]:
    folder = f"virtci-test-{secrets.token_hex(4)}"
    if request.param == "real":
        controller = Controller(Door(login_from(os.environ, Path.home())))
        made = Place(controller, Deadline.after(600), folder)
    else:
        made = Place(
            controller_on(told(StandIn(clock), folder)), Deadline.after(9e4, clock), folder
        )
    made.controller.create(folder, folder_xml(), made.deadline)
    xml = jobs.PIPELINE.replace("pipeline {{ agent any }}", "SCRIPT").format(properties=CHOICE)
    made.controller.create(made.job, xml.replace("SCRIPT", escape(SCRIPT)), made.deadline)
    try:
        yield made
    finally:
        made.controller.delete(folder, Deadline.after(60))


def told(state: StandIn, folder: str) -> StandIn:
    """The stand-in cannot run the script; it is told what would come out."""
    for outcome, result in (("pass", "SUCCESS"), ("unstable", "UNSTABLE"), ("fail", "FAILURE")):
        lines = ((0.0, f"asked for {outcome}"),)
        state.scripts[f"{folder}/story:{outcome}"] = Script(result=result, lines=lines)
    state.scripts[f"{folder}/story:long"] = Script(seconds=200)
    return state


def whole(place: Place, outcome: str, listener: Listener) -> BuildState:
    follower = Follower(place.controller, place.job, listener, place.deadline)
    job = place.controller.job(place.job, place.deadline)
    assert job is not None
    wanted = {"OUTCOME": outcome}
    order = follower.place(wanted, job.next_build_number, parameterised=True)
    number = follower.number(order, wanted, job.next_build_number)
    if outcome == "long":
        place.deadline.clock.sleep(5)
        place.controller.stop(place.job, number, place.deadline)
    return follower.to_the_end(number)


@pytest.mark.parametrize(
    ("outcome", "result", "code"),
    [("pass", "SUCCESS", 0), ("unstable", "UNSTABLE", 1), ("fail", "FAILURE", 3),
     ("long", "ABORTED", 3)],
)  # fmt: skip
def test_an_order_is_followed_to_its_end(
    place: Place, outcome: str, result: str, code: int
) -> None:
    listener = Listener()
    state = whole(place, outcome, listener)
    assert (state.result, verdict(state).code) == (result, code)
    assert f"Finished: {result}" in listener.text
    assert state.duration > 0


def test_a_bad_choice_is_refused_without_a_reason(place: Place) -> None:
    with pytest.raises(Refused, match="500"):
        place.controller.order(
            place.job, {"OUTCOME": "nothing"}, place.deadline, parameterised=True
        )


def test_jobs_are_made_once_stay_the_same_after_a_run_and_go(place: Place) -> None:
    table = JenkinsPlan(
        folder=place.folder,
        view="All of them",
        cron="H 2 1 1 *",
        parameters=(JenkinsParameter(name="ODD", default="a<b & 'c' \"d\" ä"),),
    )
    want = wanted([Source("plans/x.toml", table)])

    def decide(*, look: bool = False) -> tuple[Change, ...]:
        there = listing(place.controller, want, place.patience)
        return changes(place.controller, want, there, place.patience, look=look)

    apply(place.controller, decide(), place.patience, force=False, told=lambda _change: None)
    assert {change.kind for change in decide(look=True)} == {Kind.SAME}
    destroy(place.controller, want.jobs, place.patience, lambda _name: None)
    assert place.controller.job(f"{place.folder}/x", place.deadline) is None


@pytest.mark.parametrize(
    "plan",
    [
        JenkinsPlan(side_by_side=2, cron="H H(1-4) * * 1-5", poll="H/30 * * * *", key="lab-key"),
        JenkinsPlan(shards=4, host_labels=("xen", "kvm"), repository="https://example.org/x.git"),
    ],
)
def test_the_controllers_validator_takes_our_pipelines(place: Place, plan: JenkinsPlan) -> None:
    answer = place.controller.validate(jenkinsfile(plan, "plans/x.toml"), place.deadline)
    assert answer is not None
    assert problems(answer) == []


def test_the_doctor_finds_what_every_controller_of_ours_has(place: Place) -> None:
    found = list(checks(place.controller, Asked(folders=(place.folder,)), place.deadline))
    states = {check.what: check.state for check in found}
    assert states["Jenkins"] is State.GOOD
    assert states["permission"] is State.GOOD
    assert states["CSRF"] is State.GOOD
