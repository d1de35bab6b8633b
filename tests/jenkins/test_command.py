"""The commands as a person calls them, over a real socket to the stand-in."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci.deadline import SystemClock
from tests.jenkins import jobs
from tests.jenkins.standin import Script, StandIn
from tests.jenkins.transport import served

pytestmark = pytest.mark.real  # a socket, processes, seconds
ROOT = Path(__file__).parent  # no plans of ours here
VIRTCI = (sys.executable, "-m", "ci")
JOB = "virt/suites"


@pytest.fixture
def lab() -> Iterator[StandIn]:
    state = StandIn(SystemClock())
    state.quiet_seconds = 0.2
    state.add_job("virt", jobs.FOLDER)
    state.add_job(JOB, jobs.WITH_PARAMETERS)
    with served(state):
        yield state


def virtci(lab: StandIn, *words: str, token: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (*VIRTCI, *words),
        cwd=ROOT, env=environment(lab, token), capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip


def environment(lab: StandIn, token: str = "") -> dict[str, str]:
    return os.environ | {
        "JENKINS_URL": lab.url,
        "JENKINS_USER": lab.user,
        "JENKINS_TOKEN": token or lab.token,
        "COLUMNS": "200",
    }


PLAN = """
[[hosts]]
kind = "local"
name = "here"
uri = "test:///default"
[[suites]]
kind = "tck"
[jenkins]
"""


@pytest.fixture
def plan(tmp_path: Path) -> str:
    (tmp_path / "p.toml").write_text(PLAN, encoding="utf-8")
    return str(tmp_path / "p.toml")


@pytest.mark.parametrize(("data", "said"), [(b" \n", "is empty"), (b"\xff", "is not UTF-8 text")])
def test_a_jenkinsfile_that_says_nothing_is_a_usage_error(
    lab: StandIn, tmp_path: Path, data: bytes, said: str
) -> None:
    (tmp_path / "Jenkinsfile").write_bytes(data)
    done = virtci(lab, "jenkins", "lint", str(tmp_path / "Jenkinsfile"))
    assert (done.returncode, said in done.stderr) == (2, True)


def test_plan_apply_apply_destroy(lab: StandIn, plan: str) -> None:
    assert virtci(lab, "jenkins", "plan", plan).returncode == 1
    assert "2 written" in virtci(lab, "jenkins", "apply", plan).stdout
    again = virtci(lab, "jenkins", "apply", plan)
    assert "0 written, 1 unchanged, 1 requests" in again.stdout, again.stderr
    assert virtci(lab, "jenkins", "plan", plan).returncode == 0
    assert virtci(lab, "jenkins", "destroy", plan, "--yes").returncode == 0
    assert sorted(lab.jobs) == ["virt", JOB]


def test_nothing_is_written_where_a_plugin_is_missing(lab: StandIn, plan: str) -> None:
    del lab.plugins["lockable-resources"]
    lab.plugins["workflow-basic-steps"] = "980.v82219a_ed188e"
    done = virtci(lab, "jenkins", "apply", plan)
    assert done.returncode == 2
    assert "lockable-resources is missing" in done.stderr
    assert "980.v82219a_ed188e is too old" in done.stderr
    assert sorted(lab.jobs) == ["virt", JOB]


@pytest.mark.parametrize(
    ("script", "code", "says"),
    [
        (Script(cases=(("a", "b", "PASSED"),)), 0, "1 tests, 0 failed"),
        (Script(result="UNSTABLE", cases=(("a", "b", "REGRESSION"),)), 1, "failed: a.b"),
        (Script(result="FAILURE"), 3, "no JUnit was published"),
        (Script(result="FAILURE", cases=(("a", "b", "FAILED"),)), 1, "1 failed"),
        (Script(result="ABORTED"), 3, "ABORTED"),
    ],
)
def test_trigger_ends_as_the_build_ends(lab: StandIn, script: Script, code: int, says: str) -> None:
    lab.scripts[JOB] = script
    done = virtci(lab, "jenkins", "trigger", JOB, "LEVEL=full", "--wait")
    assert (done.returncode, says in done.stdout) == (code, True), done.stdout + done.stderr


def test_trigger_brings_the_artifacts_here(lab: StandIn, tmp_path: Path) -> None:
    lab.scripts[JOB] = Script(artifacts={"runs/1/junit.xml": b"<testsuites/>"})
    virtci(lab, "jenkins", "trigger", JOB, "--fetch", str(tmp_path))
    assert (tmp_path / "runs/1/junit.xml").read_bytes() == b"<testsuites/>"


def test_an_artifact_that_leads_out_of_the_folder_is_refused(lab: StandIn, tmp_path: Path) -> None:
    lab.scripts[JOB] = Script(artifacts={"../evil": b"x"})
    done = virtci(lab, "jenkins", "trigger", JOB, "--fetch", str(tmp_path / "here"))
    assert done.returncode == 3
    assert not (tmp_path / "evil").exists()


def restart_during_build(lab: StandIn) -> None:
    """Not before: an order that was never built is rightly told to be lost."""
    end = time.monotonic() + 60
    while not lab.jobs[JOB].builds and time.monotonic() < end:
        time.sleep(0.1)
        lab.advance()
    lab.restart(down=1, starting=2)


def test_a_restart_in_the_middle_is_survived_over_a_socket(lab: StandIn) -> None:
    lab.scripts[JOB] = Script(seconds=6, lines=((0, "early"), (5, "late")))
    restart = threading.Thread(target=restart_during_build, args=(lab,))
    restart.start()
    done = virtci(lab, "jenkins", "trigger", JOB, "--wait")
    restart.join()
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("early\n") == done.stdout.count("late\n") == 1
    assert "waiting for it to come back" in done.stderr


@pytest.mark.parametrize(("choice", "result"), [("stop", "ABORTED"), ("leave", None)])
def test_ctrl_c_stops_the_build_or_leaves_it(lab: StandIn, choice: str, result: str | None) -> None:
    lab.scripts[JOB] = Script(seconds=600)
    words = (*VIRTCI, "jenkins", "trigger", JOB, "--wait", "--on-interrupt", choice)
    process = subprocess.Popen(
        words, env=environment(lab), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    end = time.monotonic() + 60
    while not lab.jobs[JOB].builds and time.monotonic() < end:
        time.sleep(0.1)
        lab.advance()
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    out, _err = process.communicate(timeout=60)
    assert process.returncode == 130
    (build,) = lab.jobs[JOB].builds
    running = lab.now() < build.ends()
    assert (running, None if running else build.result()) == (result is None, result), out


def test_several_jobs_are_followed_together_and_the_worst_counts(lab: StandIn) -> None:
    lab.add_job("virt/other", jobs.WITH_PARAMETERS)
    lab.scripts["virt/other"] = Script(result="UNSTABLE", cases=(("a", "b", "FAILED"),))
    done = virtci(lab, "jenkins", "trigger", JOB, "virt/other", "LEVEL=full", "--wait")
    assert done.returncode == 1, done.stderr
    assert "virt/suites #1: SUCCESS" in done.stdout
    assert "virt/other #1: UNSTABLE" in done.stdout


def test_a_token_is_in_no_output_whatever_happens(lab: StandIn) -> None:
    secret = "5ecret-t0ken"
    for words in (("doctor",), ("trigger", JOB, "--wait"), ("plan",)):
        done = virtci(lab, "jenkins", *words, token=secret)
        assert done.returncode == 2
        assert secret not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr


def test_the_doctor_says_what_is_missing_and_how_to_get_it(lab: StandIn, plan: str) -> None:
    lab.nodes = [
        {"displayName": "bench-1", "offline": True, "assignedLabels": [{"name": "virt-host"}]}
    ]
    lab.forbidden = ("POST /createItem",)
    done = virtci(lab, "jenkins", "doctor", plan)
    assert done.returncode == 3
    for text in (
        "no agent has this label", "bench-1 is offline", "no lockable resource has the label",
        "may not make jobs in the top",
    ):  # fmt: skip
        assert text in done.stdout


def test_a_controller_that_is_not_there_is_told_in_one_sentence(lab: StandIn) -> None:
    env = environment(lab) | {"JENKINS_URL": "http://127.0.0.1:9/"}
    done = subprocess.run(
        (*VIRTCI, "jenkins", "doctor"),
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 3
    assert "cannot be reached" in done.stderr
    assert "Traceback" not in done.stderr
