"""Parameters of a job as arguments of a run."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ci.errors import UsageError
from ci.jenkins.plan import JenkinsParameter, JenkinsPlan
from ci.jenkins.stage import PlanParts, key_link, nothing_to_do, order
from ci.shard import Shard


@dataclass(frozen=True)
class Host:
    name: str


PARTS = PlanParts(
    jenkins=JenkinsPlan(parameters=(JenkinsParameter(name="SEED", sets="suites[1].seed"),)),
    has_source=True,
    has_build=True,
    has_ref=True,
    hosts=(Host("xen1"), Host("xen2")),
    patches=("/plans/own.patch",),
    looping=frozenset({1}),
    by_key=frozenset({0, 1}),
)
BASE = {"PLAN": "plans/p.toml", "BUILD_TAG": "jenkins-virtci-p-7"}


def words(stage: str, environment: dict[str, str]) -> list[str]:
    return shlex.split(str(order(stage, PARTS, BASE | environment)))


def changes(**environment: str) -> list[str]:
    given = words("suites", environment)
    return [given[n + 1] for n, word in enumerate(given) if word == "--set"]


def test_a_stage_is_a_run_that_is_gone_on_with_in_a_folder_of_its_build() -> None:
    assert words("build", {}) == [
        "virtci", "run", "plans/p.toml", "--until", "build", "--name", "built",
        "--runs", "runs/jenkins-virtci-p-7",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "changed"),
    [("xen1", []), (" xen1 ,", []), ("", []), ("xen2", ['hosts=["xen2"]'])],
)
def test_a_host_that_a_plan_of_one_does_not_have_is_not_tested_on_that_one(
    wanted: str, changed: list[str]
) -> None:
    parts = replace(PARTS, hosts=(Host("xen1"),))
    assert list(order("suites", parts, BASE | {"HOSTS": wanted}).changes) == changed


def test_a_share_has_a_run_of_its_own() -> None:
    text = str(order("suites", PARTS, BASE, shard=Shard(2, 3)))
    assert "--name run-2-of-3" in text
    assert "--shard 2/3" in text


@pytest.mark.parametrize(
    ("environment", "change"),
    [
        ({"SOURCE_REF": "9.0"}, 'source.ref="9.0"'),
        ({"SOURCE_REF": 'a"b\\'}, 'source.ref="a\\"b\\\\"'),
        ({"LOOPS": "500"}, "suites[1].loops=500"),
        ({"HOSTS": "xen2, xen1"}, 'hosts=["xen2", "xen1"]'),
        ({"HOST": "xen2"}, 'hosts=["xen2"]'),
        ({"SEED": "42"}, "suites[1].seed=42"),
    ],
)
def test_a_parameter_changes_the_plan(environment: dict[str, str], change: str) -> None:
    assert changes(**environment) == [change]


def test_a_locked_resource_that_is_no_host_of_the_plan_changes_nothing() -> None:
    assert changes(HOST="some-lock") == []
    assert changes(HOST="xen2", HOSTS="xen1") == ['hosts=["xen1"]']


def test_empty_parameters_leave_the_plan_alone() -> None:
    empty = dict.fromkeys(("SOURCE_REF", "HOSTS", "LOOPS", "EXTRA", "CHANGES", "SEED"), "")
    assert changes(**empty) == []


def test_extra_arguments_are_words_and_never_a_shell() -> None:
    given = words("suites", {"EXTRA": "--dry-run '; reboot' $(x)"})
    assert given[-3:] == ["--dry-run", "; reboot", "$(x)"]


def test_packages_of_the_build_stage_replace_the_build_where_it_is_tested() -> None:
    deployed = order("deploy", PARTS, BASE, packages=Path("packages"))
    assert any(change.startswith('build={kind="prebuilt"') for change in deployed.changes)
    assert order("build", PARTS, BASE, packages=Path("packages")).changes == ()
    without = replace(PARTS, has_build=False)
    assert order("deploy", without, BASE, packages=Path("packages")).changes == ()


def test_what_is_tested_is_what_was_built_although_the_branch_has_moved() -> None:
    commit, given = "a" * 40, BASE | {"SOURCE_REF": "main"}
    pinned = order("suites", PARTS, given, revision=commit)
    assert pinned.changes == (f'source.ref="{commit}"',)
    assert order("suites", PARTS, given, revision="").changes == ('source.ref="main"',)
    tarball = replace(PARTS, has_ref=False)
    assert order("suites", tarball, BASE, revision=commit).changes == ()


def test_a_key_is_named_the_same_in_every_stage_whatever_the_controller_calls_it() -> None:
    one, other = changes(SSH_KEY="/tmp/a1/key"), changes(SSH_KEY="/tmp/b2/key")
    assert one == other
    assert [change.partition("=")[0] for change in one] == ["hosts[0].key", "hosts[1].key"]


def test_shares_side_by_side_have_a_link_to_the_key_each() -> None:
    links = {key_link(Path("runs"), Shard(number, 2)) for number in (1, 2)}
    assert len(links) == 2


def test_changes_are_a_patch_behind_the_plans_own() -> None:
    (change,) = changes(CHANGES="packed")
    assert change.startswith('source.patches=["/plans/own.patch", "')
    assert change.endswith('runs/jenkins-virtci-p-7/changes.patch"]')
    with pytest.raises(UsageError, match="takes no patches"):
        order("build", replace(PARTS, patches=None), BASE | {"CHANGES": "x"})


@pytest.mark.parametrize(
    ("environment", "says"),
    [({"LOOPS": "many"}, "LOOPS"), ({"LOOPS": "0"}, "LOOPS"), ({"EXTRA": "'"}, "EXTRA"),
     ({"PLAN": ""}, "PLAN")],
)  # fmt: skip
def test_a_wrong_parameter_is_named(environment: dict[str, str], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        words("suites", environment)


def test_a_build_tag_never_leads_out_of_the_runs() -> None:
    for tag, folder in (("../../x y", "-..-x y"), ("..", "by-hand"), (".", "by-hand")):
        assert order("build", PARTS, BASE | {"BUILD_TAG": tag}).runs == Path("runs", folder)


def test_a_plan_without_source_or_build_has_none_of_that_stage() -> None:
    bare = replace(PARTS, has_source=False, has_build=False)
    assert [nothing_to_do(stage, bare) for stage in ("source", "build", "deploy")] == [
        True, True, False,
    ]  # fmt: skip
    assert not nothing_to_do("build", PARTS)
