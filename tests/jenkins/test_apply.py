"""Jobs as code: a diff first, writes only where needed, hand-made changes kept."""

from __future__ import annotations

import pytest

from ci.deadline import Deadline
from ci.errors import UsageError
from ci.jenkins.apply import apply, destroy, doomed, empty_folders
from ci.jenkins.change import Change, Kind, changes, listing
from ci.jenkins.controller import Controller
from ci.jenkins.facts import from_xml, to_xml
from ci.jenkins.patience import Patience
from ci.jenkins.plan import JenkinsParameter, JenkinsPlan
from ci.jenkins.wanted import Source, Wanted, wanted
from tests.jenkins import jobs
from tests.jenkins.standin import StandIn

PLAN = JenkinsPlan(folder="lab/nightly", cron="H 2 * * *", view="Nightly")
NASTY = JenkinsPlan(
    folder="lab",
    parameters=(
        JenkinsParameter(name="WHAT", default="a<b & 'c' \"d\" $HOME \\ ]]> ä", description="<b>"),
        JenkinsParameter(name="LEVEL", choices=("smoke", "it's & <full>")),
    ),
)


def sources(*plans: JenkinsPlan) -> Wanted:
    return wanted(Source(f"plans/p{number}.toml", plan) for number, plan in enumerate(plans))


@pytest.fixture
def patience(deadline: Deadline) -> Patience:
    return Patience(deadline)


def decide(
    controller: Controller, want: Wanted, patience: Patience, *, look: bool = False
) -> tuple[Change, ...]:
    there = listing(controller, want, patience)
    return changes(controller, want, there, patience, look=look)


def carry_out(
    controller: Controller, want: Wanted, patience: Patience, *, force: bool = False
) -> list[Kind]:
    done: list[Kind] = []
    found = decide(controller, want, patience)
    apply(controller, found, patience, force=force, told=lambda change: done.append(change.kind))
    return done


def test_folders_jobs_and_views_are_made_once(
    controller: Controller, state: StandIn, patience: Patience
) -> None:
    want = sources(PLAN, NASTY)
    kinds = carry_out(controller, want, patience)
    assert kinds == [Kind.FOLDER, Kind.FOLDER, Kind.CREATE, Kind.CREATE, Kind.VIEW]
    state.log.clear()
    assert carry_out(controller, want, patience) == []
    assert [method for method, _path in state.log] == ["GET"]


def test_a_run_that_saves_the_job_anew_is_no_change_by_hand(
    controller: Controller, state: StandIn, deadline: Deadline, patience: Patience
) -> None:
    want = sources(PLAN, NASTY)
    carry_out(controller, want, patience)
    for name in want.jobs:
        controller.order(name, {}, deadline, parameterised=True)
    deadline.clock.sleep(30)
    state.advance()
    assert "workflow-job@" in state.jobs["lab/p1"].xml
    kinds = {change.kind for change in decide(controller, want, patience, look=True)}
    assert kinds == {Kind.SAME}


def test_a_changed_plan_changes_the_job_and_keeps_its_builds(
    controller: Controller, state: StandIn, deadline: Deadline, patience: Patience
) -> None:
    carry_out(controller, sources(PLAN), patience)
    controller.order("lab/nightly/p0", {}, deadline, parameterised=True)
    deadline.clock.sleep(30)
    state.advance()
    changed = JenkinsPlan(folder="lab/nightly", cron="H 4 * * *", view="Nightly")
    (change,) = [c for c in decide(controller, sources(changed), patience) if c.kind is Kind.UPDATE]
    assert "  cron: 'H 2 * * *' -> 'H 4 * * *'" in change.lines
    assert carry_out(controller, sources(changed), patience) == [Kind.UPDATE]
    assert len(state.jobs["lab/nightly/p0"].builds) == 1


def test_a_change_by_hand_is_shown_and_not_overwritten_without_force(
    controller: Controller, state: StandIn, patience: Patience
) -> None:
    carry_out(controller, sources(PLAN), patience)
    job = state.jobs["lab/nightly/p0"]
    job.xml = job.xml.replace("H 2 * * *", "H 9 * * *")
    changed = sources(JenkinsPlan(folder="lab/nightly", keep_builds=7))
    (edited,) = [c for c in decide(controller, changed, patience) if c.kind is Kind.EDITED]
    assert "  cron: 'H 9 * * *' -> ''" in edited.lines
    before = dict(state.jobs)
    with pytest.raises(UsageError, match="changed by hand"):
        carry_out(controller, changed, patience)
    assert state.jobs == before
    carry_out(controller, changed, patience, force=True)
    assert from_xml(job.xml).keep_builds == 7


def test_a_job_without_our_mark_is_never_touched_without_force(
    controller: Controller, state: StandIn, patience: Patience
) -> None:
    want = sources(JenkinsPlan(folder="virt", job="suites"))
    assert [c.kind for c in decide(controller, want, patience)] == [Kind.FOREIGN]
    with pytest.raises(UsageError, match="not ours"):
        carry_out(controller, want, patience)
    assert "Nightly" in state.jobs["virt/suites"].xml


def test_a_job_of_ours_that_no_plan_makes_any_more_is_reported(
    controller: Controller, patience: Patience
) -> None:
    carry_out(controller, sources(PLAN, NASTY), patience)
    found = decide(controller, sources(PLAN), patience)
    assert [(c.name, c.kind) for c in found if c.kind is Kind.ORPHAN] == [("lab/p1", Kind.ORPHAN)]


def test_destroy_takes_only_what_is_ours(
    controller: Controller, state: StandIn, patience: Patience
) -> None:
    want = sources(PLAN, NASTY)
    carry_out(controller, want, patience)
    state.add_job("lab/mine", jobs.BARE)
    there = listing(controller, want, patience)
    names, views = doomed(want, there)
    assert (sorted(names), views) == (["lab/nightly/p0", "lab/p1"], (("lab/nightly", "Nightly"),))
    folders = empty_folders(want, there, names)
    assert folders == ("lab/nightly",)
    destroy(controller, (*names, *folders), patience, lambda _name: None)
    assert sorted(name for name in state.jobs if name.startswith("lab")) == ["lab", "lab/mine"]


def test_two_plans_that_make_the_same_job_are_refused() -> None:
    with pytest.raises(UsageError, match="both make the job lab/x"):
        sources(JenkinsPlan(folder="lab", job="x"), JenkinsPlan(folder="lab", job="x"))


def test_a_write_that_meets_a_restart_is_done_once_the_controller_is_back(
    controller: Controller, state: StandIn, patience: Patience
) -> None:
    want = sources(NASTY)
    found = decide(controller, want, patience)
    state.restart()
    apply(controller, found, patience, force=False, told=lambda _change: None)
    assert "lab/p0" in state.jobs


@pytest.mark.parametrize("plan", [PLAN, NASTY])
def test_facts_survive_the_way_to_xml_and_back(plan: JenkinsPlan) -> None:
    (facts,) = sources(plan).jobs.values()
    assert from_xml(to_xml(facts)) == facts
