"""The Jenkinsfile checked by a real Groovy parser and our own rules."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from ci.deadline import Deadline
from ci.jenkins.groovy import Problem, parse
from ci.jenkins.lint import Known, problems
from ci.jenkins.pipeline import jenkinsfile
from ci.jenkins.plan import JenkinsParameter, JenkinsPlan
from ci.jenkins.validator import problems as of_validator
from ci.shell import LocalShell

pytestmark = pytest.mark.real  # Groovy
FULL = Known(
    credentials=frozenset({"lab-key"}),
    labels=frozenset({"virt-build"}),
    plugins=frozenset({"junit"}),
    lock_labels=frozenset({"virt-hosts"}),
)
NO_AGENT = """pipeline { agent none
stages { stage('a') { agent any
steps { echo 'x' } } }
post { always { junit 'x' } } }"""
BRACE = """{"status":"ok","data":{"result":"failure","errors":[
{"error":"expecting '}', found '' @ line 7, column 1."}]}}"""
SEVERAL = """{"status":"ok","data":{"result":"failure","errors":[
{"error":["a @ line 4, column 3.","b"]}]}}"""


def lint_all(texts: Sequence[str], known: Known | None = None) -> list[list[str]]:
    found = []
    for tops, errors in parse(LocalShell(), texts, Deadline.after(120)):
        all_problems = errors or problems(tops, known or Known())
        found.append([f"{one.line}: {one.text}" for one in all_problems if one.fatal])
    return found


def lint(text: str, known: Known | None = None) -> list[str]:
    return lint_all([text], known)[0]


def declared(stages: str, *, top: str = "agent any\noptions { timeout(time: 1) }") -> str:
    return f"pipeline {{ {top}\nstages {{ {stages} }} }}"


def steps(text: str) -> str:
    return declared(f"stage('a') {{ steps {{ {text} }} }}")


PLANS = (
    JenkinsPlan(),
    JenkinsPlan(side_by_side=3, cron="@daily", poll="H/5 * * * *", key="lab-key"),
    JenkinsPlan(shards=8, host_labels=("xen", "kvm & amd"), repository="https://git/x.git"),
    JenkinsPlan(lock="", parameters=(JenkinsParameter(name="A", default='it\'s \\ $B\n"c"'),)),
    JenkinsPlan(parameters=(JenkinsParameter(name="A", choices=("a'b", "c\\")),)),
)


def test_every_pipeline_made_of_a_plan_is_clean() -> None:
    texts = [jenkinsfile(plan, "plans/demo.toml") for plan in PLANS]
    assert lint_all(texts) == [[] for _plan in PLANS]


def test_the_jenkinsfile_of_this_repository_is_clean() -> None:
    assert lint(Path("Jenkinsfile").read_text(encoding="utf-8")) == []


def test_a_missing_brace_is_told_with_its_line_as_jenkins_does() -> None:
    text = "pipeline {\n  agent any\n  stages {\n    stage('a') { steps { sh 'x' }\n  }\n}\n"
    assert lint(text) == ["7: expecting '}', found ''"]


BAD = (
    ("node { sh 'x' }", "no Declarative Pipeline"),
    (steps("nosuchstep 'x'"), 'the step "nosuchstep" is not known'),
    (steps("archiveArtifact 'x'"), 'did you mean "archiveArtifacts"'),
    (steps("timeout(time: 1) { nosuch() }"), 'the step "nosuch"'),
    (steps("lock(label: 'virt-hosts') { echo 'x' }"), '"resource" is required'),
    (declared("stage('a') { }"), "exactly one of"),
    (declared("stage('a') { steps { echo 'x' } }\nstage('a') { steps { echo 'x' } }"), "two"),
    (declared("stage('a') { agent any\nparallel { stage('b') { steps { } } } }"), "both"),
    (declared("", top="options { timeout(1) }"), 'the section "agent" is missing'),
    (
        declared("", top="agent any\ntriggers { cron('99 * * * *') }"),
        "99 is not within 0 and 59",
    ),
    (NO_AGENT, '"junit" needs an agent'),
    (
        declared("stage('a') { options { disableConcurrentBuilds() }\nsteps { echo 'x' } }"),
        "belongs to the pipeline",
    ),
)


def test_what_fails_only_at_run_is_found_before() -> None:
    found = lint_all([text for text, _says in BAD])
    missed = [
        (says, lines)
        for (_text, says), lines in zip(BAD, found, strict=True)
        if not any(says in line for line in lines)
    ]
    assert missed == []


def test_names_are_checked_against_what_the_controller_has() -> None:
    text = declared(
        "stage('a') { agent { label 'riscv' }\nsteps { lock(resource: null, label: 'moon') {\n"
        "withCredentials([sshUserPrivateKey(credentialsId: 'nope', keyFileVariable: 'K')]) {\n"
        "sh 'x' } } } }"
    )
    found = "\n".join(lint(text, FULL))
    for what in (
        'no agent has the label "riscv"',
        'no credentials "nope"',
        'no lockable resource has the label "moon"',
        "needs the plugin lockable-resources",
    ):
        assert what in found


def test_a_script_block_is_left_to_groovy() -> None:
    assert lint(steps("script { anything.goes(1); def x = whatever() }")) == []


def test_nothing_of_the_file_is_executed(tmp_path: Path) -> None:
    lint(f"new File('{tmp_path}/made').text = 'x'\npipeline {{ }}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ('{"status":"ok","data":{"result":"success"}}', []),
        (BRACE, [Problem(7, "expecting '}', found ''")]),
        (SEVERAL, [Problem(4, "a"), Problem(0, "b")]),
        (
            '{"status":"ok","data":{"result":"failure"}}',
            [Problem(0, "the validator refuses it without saying why")],
        ),
    ],
)
def test_the_controllers_validator_is_understood_in_both_its_forms(
    answer: str, expected: list[Problem]
) -> None:
    assert of_validator(answer) == expected
