"""A pipeline of ours carried out for real, from Source to Report, on libvirt's test driver."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from defusedxml.ElementTree import parse as parse_xml

from ci.deadline import Deadline
from ci.jenkins.groovy import parse
from ci.jenkins.pipeline import jenkinsfile
from ci.jenkins.plan import JenkinsPlan
from ci.shell import LocalShell
from tests.jenkins.interpreter import Machine, Outcome

pytestmark = pytest.mark.real  # Groovy, libvirt
PLAN = """
[[hosts]]
kind = "local"
name = "here"
uri = "test:///default"
[[suites]]
kind = "tck"
name = "conn"
areas = ["connection"]
[[suites]]
kind = "tck"
name = "node"
areas = ["node"]
"""


def suites_in(path: Path) -> list[str]:
    root = parse_xml(path).getroot()
    assert root is not None
    return [suite.get("name", "") for suite in root.iter("testsuite")]


def carry_out(
    folder: Path,
    table: JenkinsPlan,
    plan: str = PLAN,
    *,
    tag: str = "jenkins-virtci-p-1",
    loses: str = "",
) -> Outcome:
    path = folder / "p.toml"
    path.write_text(plan, encoding="utf-8")
    ((tops, errors),) = parse(LocalShell(), [jenkinsfile(table, str(path))], Deadline.after(120))
    assert errors == []
    machine = Machine(
        folder,
        {"PLAN": str(path), "BUILD_TAG": tag, "COLUMNS": "200"},
        sh=lambda text: text.replace("virtci ", f"{sys.executable} -m ci ", 1),
        loses=loses,
    )
    return machine.pipeline(tops)


def test_every_stage_does_its_part_and_the_report_has_all(tmp_path: Path) -> None:
    done = carry_out(tmp_path, JenkinsPlan(shards=2))
    assert done.result == "SUCCESS", done.output
    published = [name for path in done.junit for name in suites_in(path)]
    for name in ("conn on here", "node on here"):
        assert published.count(name) == 1, "published once, by the lane that ran it"
    merged = suites_in(tmp_path / "virt-build/merged/junit.xml")
    assert {"conn on here", "node on here"} <= set(merged)
    assert "merged/report/index.html" in done.archived
    assert list(tmp_path.glob("virt-*/runs/*")) == [], "nothing stays in the workspaces"


def test_a_lab_that_is_broken_fails_the_build_and_still_reports(tmp_path: Path) -> None:
    plan = PLAN.replace("test:///default", "qemu+unix:///system?socket=/nowhere")
    done = carry_out(tmp_path, JenkinsPlan(), plan)
    assert done.result == "FAILURE"
    assert "merged/junit.xml" in done.archived
    assert "Traceback" not in done.output


def test_a_lane_that_loses_its_agent_costs_its_share_and_not_the_report(tmp_path: Path) -> None:
    lanes = JenkinsPlan(shards=2, host_labels=("one", "two"))
    done = carry_out(tmp_path, lanes, loses="suites --packages packages --shard 2/2")
    assert done.result == "FAILURE"
    assert sum(" suites --packages" in text for text in done.commands) == 2, "never again"
    assert "merged/report/index.html" in done.archived
    merged = suites_in(tmp_path / "virt-build/merged/junit.xml")
    assert "conn on here" in merged
    text = (tmp_path / "virt-build/merged/junit.xml").read_text(encoding="utf-8")
    assert "the shard run-2-of-2 left no results" in text


def test_a_job_with_blanks_in_its_name_finds_its_own_results(tmp_path: Path) -> None:
    done = carry_out(tmp_path, JenkinsPlan(), tag="jenkins-My lab-Nightly run-7")
    assert done.result == "SUCCESS", done.output
    assert done.junit
    assert "merged/junit.xml" in done.archived
