"""Lockable resources of plans: made once, never taken from others, and the script that does it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ci.deadline import Deadline
from ci.errors import UsageError
from ci.jenkins import locks
from ci.jenkins.apply import apply
from ci.jenkins.change import Change, Kind, changes, listing
from ci.jenkins.controller import Controller
from ci.jenkins.groovy import JAR
from ci.jenkins.patience import Patience
from ci.jenkins.plan import JenkinsPlan
from ci.jenkins.wanted import Source, Wanted, wanted
from tests.jenkins.standin import StandIn

PLUGIN = """
package org.jenkins.plugins.lockableresources
class LockableResource {
  String name, labels, description
  boolean locked
}
class LockableResourcesManager {
  static final INSTANCE = new LockableResourcesManager()
  List resources = []
  static LockableResourcesManager get() { INSTANCE }
  LockableResource fromName(String name) { resources.find { it.name == name } }
  boolean createResourceWithLabel(String name, String labels) {
    resources << new LockableResource(name: name, labels: labels)
  }
  void save() { println 'saved' }
}
"""
SHOW = "\nmanager.resources.each { println it.name + '|' + it.labels + '|' + it.description }\n"


def want(*plans: JenkinsPlan) -> Wanted:
    return wanted(Source(f"plans/p{number}.toml", plan) for number, plan in enumerate(plans))


def carry_out(controller: Controller, wish: Wanted, deadline: Deadline) -> list[str]:
    patience = Patience(deadline)
    told: list[Change] = []
    there = listing(controller, wish, patience)
    found = changes(controller, wish, there, patience, look=False)
    apply(controller, found, patience, force=False, told=told.append)
    return [change.name for change in told if change.kind is Kind.LOCK]


def test_resources_are_made_once_with_the_labels_of_all_plans(
    controller: Controller, state: StandIn, deadline: Deadline
) -> None:
    wish = want(
        JenkinsPlan(resources=("xen1", "xen2")), JenkinsPlan(lock="fast", resources=("xen1",))
    )
    made = carry_out(controller, wish, deadline)
    assert made == ["lockable resource xen1", "lockable resource xen2"]
    assert {str(lock["name"]): lock["labelsAsList"] for lock in state.locks} == {
        "xen1": ["fast", "virt-hosts"],
        "xen2": ["virt-hosts"],
    }
    assert carry_out(controller, wish, deadline) == []
    there = listing(controller, wish, Patience(deadline))
    locks.remove_all(controller, locks.doomed(wish, there), deadline)
    assert state.locks == []


def test_a_resource_of_others_is_used_as_it_is_and_never_changed(
    controller: Controller, state: StandIn, deadline: Deadline
) -> None:
    theirs: dict[str, object] = {
        "name": "xen1",
        "labelsAsList": ["virt-hosts", "x"],
        "description": "mine",
    }
    state.locks = [theirs]
    assert carry_out(controller, want(JenkinsPlan(resources=("xen1",))), deadline) == []
    other = want(JenkinsPlan(lock="fast", resources=("xen1",)))
    with pytest.raises(UsageError, match="lockable resource xen1 \\(not ours\\)"):
        carry_out(controller, other, deadline)
    assert locks.doomed(other, listing(controller, other, Patience(deadline))) == ()
    assert state.locks == [theirs]


def test_without_the_permission_somebody_else_is_named_to_do_it(
    controller: Controller, state: StandIn, deadline: Deadline
) -> None:
    state.forbidden = ("POST /scriptText",)
    with pytest.raises(UsageError, match="may not make the lockable resource xen1") as caught:
        carry_out(controller, want(JenkinsPlan(resources=("xen1",))), deadline)
    assert "an administrator adds it" in caught.value.hint


@pytest.mark.parametrize(
    "wrong", [{"resources": ("a';b",)}, {"resources": ("a",), "lock": ""}, {"resources": ("",)}]
)
def test_what_is_no_name_is_refused_in_the_plan(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="resources"):
        JenkinsPlan(**wrong)  # type: ignore[arg-type]


@pytest.mark.real
def test_the_script_does_on_groovy_what_it_is_for(tmp_path: Path) -> None:
    """The plugin's classes are rebuilt here with the methods that the script calls."""
    folder = tmp_path / "org/jenkins/plugins/lockableresources"
    folder.mkdir(parents=True)
    both = PLUGIN.split("class LockableResourcesManager")
    (folder / "LockableResource.groovy").write_text(both[0])
    head = "package org.jenkins.plugins.lockableresources\nclass LockableResourcesManager"
    (folder / "LockableResourcesManager.groovy").write_text(head + both[1])
    made = locks.script("it's", "a b", "Managed [virtci 0a]")
    again, gone = locks.script("it's", "b", "[virtci 1]"), locks.script("it's", "", "")
    whole = "".join(f"{{ ->\n{one}{SHOW}}}.call();\n" for one in (made, again, gone, gone))
    (tmp_path / "run.groovy").write_text(whole)
    argv = ("java", "-cp", f"{JAR}:{tmp_path}", "groovy.ui.GroovyMain", "run.groovy")
    done = subprocess.run(
        argv, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.splitlines() == [
        *("saved", "virtci: done", "it's|a b|Managed [virtci 0a]"),
        *("saved", "virtci: done", "it's|b|[virtci 1]"),
        *("saved", "virtci: done") * 2,
    ], done.stderr
