"""The pipeline that a plan makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.errors import UsageError
from ci.jenkins.pipeline import groovy, jenkinsfile, lanes, parameters
from ci.jenkins.plan import BUILT_IN, JenkinsParameter, JenkinsPlan
from ci.pipelines.plan import load_plan

ROOT = Path(__file__).parent.parent.parent


def test_the_jenkinsfile_is_what_the_demos_plan_makes() -> None:
    table = load_plan(ROOT / "plans/demo.toml").plan.jenkins
    assert table is not None
    made = jenkinsfile(table, "plans/demo.toml", checkout="checkout scm")
    assert (ROOT / "Jenkinsfile").read_text(encoding="utf-8") == made, (
        "run: virtci jenkins plan plans/demo.toml --jenkinsfile > Jenkinsfile"
    )


def shards(plan: JenkinsPlan) -> list[list[str]]:
    return [[shard.number for shard in lane.shards] for lane in lanes(plan)]


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (JenkinsPlan(), [["1/1"]]),
        (JenkinsPlan(side_by_side=3), [["1/3", "2/3", "3/3"]]),
        (JenkinsPlan(shards=3), [["1/3"], ["2/3"], ["3/3"]]),
        (JenkinsPlan(host_labels=("a", "b")), [["1/2"], ["2/2"]]),
        (JenkinsPlan(shards=2, side_by_side=4), [["1/2"], ["2/2"]]),  # no parallel in a parallel
    ],
)
def test_shards_become_lanes_or_stages_side_by_side(
    plan: JenkinsPlan, expected: list[list[str]]
) -> None:
    assert shards(plan) == expected


def test_lanes_take_the_labels_in_turn() -> None:
    labels = [lane.label for lane in lanes(JenkinsPlan(shards=5, host_labels=("a", "b")))]
    assert labels == ["'a'", "'b'", "'a'", "'b'", "'a'"]


def test_a_suite_is_never_retried_and_what_is_safe_is() -> None:
    stages = jenkinsfile(JenkinsPlan(), "p.toml").split("stage('")
    retried = {stage.split("'")[0] for stage in stages if "retry(" in stage}
    assert retried == {"Source", "Build"}


def test_what_stops_a_build_is_never_caught() -> None:
    text = jenkinsfile(JenkinsPlan(side_by_side=2), "p.toml")
    assert text.count("catchError(") == text.count("catchInterruptions: false") > 0


def test_every_stage_has_a_time_limit() -> None:
    text = jenkinsfile(JenkinsPlan(shards=2), "p.toml")
    for stage in text.split("stage('")[1:]:
        name = stage.split("'")[0]
        holds_others = "parallel {" in stage or "stages {" in stage
        assert "timeout(" in stage or holds_others, name


def test_the_key_is_lent_to_hosts_alone_and_named_only_by_id() -> None:
    text = jenkinsfile(JenkinsPlan(key="lab-key"), "p.toml")
    assert text.count("credentialsId: 'lab-key'") == 2  # deploy, suites
    assert "KEY" not in text.split("stage('On a host')")[0]


def test_parameters_are_the_built_in_ones_and_the_plans_own() -> None:
    plan = JenkinsPlan(parameters=(JenkinsParameter(name="LEVEL", choices=("a", "b")),))
    assert {one.name for one in parameters(plan, "p")} == {*BUILT_IN, "LEVEL"}


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        ("plain", "'plain'"),
        ("it's", "'it\\'s'"),
        ("$HOME ${x}", "'$HOME ${x}'"),
        ("a\\b", "'a\\\\b'"),
        ("two\nlines", "'two\\nlines'"),
        ("\\'; sh 'x", "'\\\\\\'; sh \\'x'"),
    ],
)
def test_a_text_is_a_groovy_string_that_nothing_gets_out_of(text: str, literal: str) -> None:
    assert groovy(text) == literal


def test_a_control_character_never_gets_into_a_jenkinsfile() -> None:
    with pytest.raises(UsageError, match="control character"):
        groovy("a\x00b")


@pytest.mark.parametrize(
    "wrong",
    [
        {"job": "a/b"}, {"job": "..", "folder": "x"}, {"folder": "a//b"}, {"folder": ""},
        {"job": "semi;colon"}, {"job": "trailing."}, {"label": "'; sh 'x"}, {"host_labels": ()},
        {"host_labels": ("a", "\n")}, {"lock": "a'b"}, {"cron": "99 * * * *"}, {"poll": "often"},
        {"repository": "https://u:p@host/x.git"}, {"repository": "x'y"}, {"branch": "-x"},
        {"key": "../x"}, {"view": "a\tb"},
        {"parameters": (JenkinsParameter(name="A"), JenkinsParameter(name="A"))},
    ],
)  # fmt: skip
def test_what_jenkins_would_choke_on_is_refused_in_the_plan(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        JenkinsPlan(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["PLAN", "1A", "a b", "A'", ""])
def test_a_parameter_needs_a_name_of_its_own(name: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        JenkinsParameter(name=name)
