"""``virtci presubmit`` as a person calls it, in a dirty work tree."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci.deadline import Deadline, SystemClock, wait_until
from ci.jenkins.changes import unpacked
from ci.jenkins.plan import JenkinsPlan
from ci.jenkins.wanted import Source, job_xml, wanted
from tests.jenkins import jobs
from tests.jenkins.standin import Script, StandIn
from tests.jenkins.transport import served
from tests.presubmit.test_worktree import git

pytestmark = pytest.mark.real  # git, a socket, processes
PLAN = """
[source]
kind = "git"
url = "{url}"
[[hosts]]
kind = "local"
name = "here"
uri = "test:///default"
[jenkins]
"""


@pytest.fixture
def lab() -> Iterator[StandIn]:
    state = StandIn(SystemClock())
    state.quiet_seconds = 0.2
    state.add_job("virtci", jobs.FOLDER)
    facts = wanted([Source("p.toml", JenkinsPlan())]).jobs["virtci/p"]
    state.add_job("virtci/p", job_xml(facts))
    with served(state):
        yield state


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A clone with one commit that is not pushed and one change that is not committed."""
    upstream, folder = tmp_path / "up.git", tmp_path / "work"
    git(tmp_path, "init", "--quiet", "--bare", str(upstream))
    git(tmp_path, "clone", "--quiet", str(upstream), str(folder))
    (folder / "a").write_text("1\n")
    git(folder, "add", "a")
    git(folder, "commit", "--quiet", "-m", "pushed")
    git(folder, "push", "--quiet", "-u", "origin", "HEAD:main")
    git(folder, "branch", "--quiet", "--set-upstream-to=origin/main")
    git(folder, "commit", "--quiet", "--allow-empty", "-m", "not pushed")
    (folder / "a").write_text("2\n")
    (tmp_path / "p.toml").write_text(PLAN.format(url=upstream), encoding="utf-8")
    return folder


def presubmit(
    tree: Path, *words: str, lab: StandIn | None = None
) -> subprocess.CompletedProcess[str]:
    login = {} if lab is None else {
        "JENKINS_URL": lab.url, "JENKINS_USER": lab.user, "JENKINS_TOKEN": lab.token,
    }  # fmt: skip
    return subprocess.run(
        (sys.executable, "-m", "ci", "presubmit", "p.toml", "--tree", str(tree), *words),
        cwd=tree.parent,
        env=os.environ | login,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_what_is_taken_is_shown_first(tree: Path) -> None:
    done = presubmit(tree, "--show")
    assert done.returncode == 0, done.stderr
    assert "not pushed" in done.stdout
    assert " M a" in done.stdout


def test_here_the_work_tree_itself_is_run(tree: Path) -> None:
    done = presubmit(tree)
    (run,) = (tree.parent / "runs").iterdir()
    assert (run / "source/tree/a").read_text() == "2\n", done.stdout + done.stderr
    assert "uncommitted" in done.stdout


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (Script(cases=(("a", "b", "PASSED"),)), 0),
        (Script(result="UNSTABLE", cases=(("a", "b", "FAILED"),)), 1),
    ],
)
def test_on_jenkins_the_changes_go_with_the_order_and_the_results_come_back(
    tree: Path, lab: StandIn, script: Script, code: int
) -> None:
    lab.scripts["virtci/p"] = Script(
        result=script.result, cases=script.cases, artifacts={"merged/junit.xml": b"<testsuites/>"}
    )
    done = presubmit(tree, "--on", "jenkins", lab=lab)
    assert done.returncode == code, done.stdout + done.stderr
    (build,) = lab.jobs["virtci/p"].builds
    assert build.parameters["SOURCE_REF"] == git(tree, "rev-parse", "origin/main")
    assert b"-1\n+2\n" in unpacked(str(build.parameters["CHANGES"]))
    (run,) = (tree.parent / "runs").iterdir()
    assert (run / "merged/junit.xml").is_file()


def test_two_at_once_make_two_builds(tree: Path, lab: StandIn) -> None:
    lab.quiet_seconds = 3
    words = (
        sys.executable,
        "-m",
        "ci",
        "presubmit",
        "p.toml",
        "--tree",
        str(tree),
        "--on",
        "jenkins",
    )
    login = {"JENKINS_URL": lab.url, "JENKINS_USER": lab.user, "JENKINS_TOKEN": lab.token}
    both = [
        subprocess.Popen(words, cwd=tree.parent, env=os.environ | login, stdout=subprocess.DEVNULL)
        for _ in range(2)
    ]
    assert [one.wait(120) for one in both] == [0, 0]
    requests = {build.parameters["REQUEST"] for build in lab.jobs["virtci/p"].builds}
    assert len(requests) == 2


def test_a_branch_lent_for_the_run_is_gone_after_it(tree: Path, lab: StandIn) -> None:
    done = presubmit(tree, "--on", "jenkins", "--push", "origin", lab=lab)
    assert done.returncode == 0, done.stderr
    (build,) = lab.jobs["virtci/p"].builds
    assert str(build.parameters["SOURCE_REF"]).startswith("virtci-try/")
    upstream = tree.parent / "up.git"
    assert git(upstream, "for-each-ref", "--format=%(refname)") == "refs/heads/main"


def test_a_branch_that_a_killed_run_had_lent_is_taken_back_by_the_next(
    tree: Path, lab: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    upstream = tree.parent / "up.git"
    lab.quiet_seconds = 600
    words = (sys.executable, "-m", "ci", "presubmit", "p.toml", "--tree", str(tree))
    login = {"JENKINS_URL": lab.url, "JENKINS_USER": lab.user, "JENKINS_TOKEN": lab.token}
    process = subprocess.Popen(
        (*words, "--on", "jenkins", "--push", "origin"),
        cwd=tree.parent, env=os.environ | login, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    refs = ("for-each-ref", "--format=%(refname:short)")
    wait_until(
        "a lent branch", lambda: "virtci-try" in git(upstream, *refs), Deadline.after(60), every=0.2
    )
    process.kill()
    process.wait(10)
    assert "virtci-try" in git(upstream, *refs)
    lab.quiet_seconds = 0.2
    for item in lab.items.values():
        item.cancelled = True
    done = presubmit(tree, "--on", "jenkins", "--push", "origin", lab=lab)
    assert "left over from a killed run" in done.stdout, done.stdout + done.stderr
    assert git(upstream, *refs) == "main"
