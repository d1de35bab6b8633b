"""Builds on the real service: commit, wait, fetch, clean up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ci.deadline import Deadline, wait_until
from ci.errors import ProductError, UsageError
from ci.obs import project as made_projects
from ci.obs import why
from ci.obs.api import connect
from ci.obs.door import Denied, NotThere
from ci.obs.target import Package
from tests.obs.real_builds import PLACE, builder, builds, door, step, tree
from tests.obs_backend.backend import PASSWORD, Backend, hello, write_oscrc

pytestmark = [
    pytest.mark.real,
    pytest.mark.xdist_group("obs"),
    pytest.mark.timeout(600, func_only=True),
]


def test_what_is_committed_is_built_fetched_and_known_by_its_build_id(
    service: Backend, tmp_path: Path
) -> None:
    project = service.project("home:tester:first")
    made = builder(service, project).make(step(tmp_path), tree(tmp_path / "tree", hello()))
    (rpm,) = made.rpms
    assert rpm.nevra == "hello-1.0-1.1.x86_64"
    assert rpm.build_ids[0].path == "/usr/bin/hello"
    assert made.facts["rev"] == "1"
    assert made.facts[f"build {PLACE}"] == "1.0-1.1"
    assert "Processing files: hello-1.0" in (tmp_path / made.log).read_text()


def test_nothing_is_built_again_unless_something_changed_or_it_is_forced(
    service: Backend, tmp_path: Path
) -> None:
    project = service.project("home:tester:again")
    sources = tree(tmp_path / "tree", hello())
    builder(service, project).make(step(tmp_path, "one"), sources)
    builder(service, project).make(step(tmp_path, "two"), sources)
    assert builds(service, project) == 1
    forced = builder(service, project, force=True).make(step(tmp_path, "three"), sources)
    assert builds(service, project) == 2
    assert forced.facts[f"build {PLACE}"] == "1.0-1.2"
    newer = tree(tmp_path / "tree", hello(version="1.1"), "v2")
    assert builder(service, project).make(step(tmp_path, "four"), newer).rpms[0].version == "1.1"


TWO = (PLACE, "leap/x86_64")


def test_several_repositories_are_built_at_once_and_fetched_apart(
    service: Backend, tmp_path: Path
) -> None:
    project = service.project("home:tester:several", repositories=("deb12", "leap", "unwanted"))
    at = step(tmp_path)
    made = builder(service, project, places=TWO, fetch=TWO).make(at, tree(tmp_path / "t", hello()))
    assert [rpm.nevra for rpm in made.rpms] == ["hello-1.0-1.1.x86_64"] * 2
    assert len({rpm.path for rpm in made.rpms}) == 2
    assert {made.facts[f"build {place}"] for place in TWO} == {"1.0-1.1"}


BOTH = (PLACE, "deb12/i586")


def test_two_architectures_are_built_at_once_each_with_packages_of_its_own(
    service: Backend, tmp_path: Path
) -> None:
    project = service.project("home:tester:arches", arches=("x86_64", "i586"))
    at = step(tmp_path)
    made = builder(service, project, places=BOTH, fetch=BOTH).make(
        at, tree(tmp_path / "t", hello())
    )
    assert sorted(rpm.arch for rpm in made.rpms) == ["i386", "x86_64"]  # so rpm calls it
    assert {made.facts[f"build {place}"] for place in BOTH} == {"1.0-1.1"}


def test_one_place_that_fails_is_named_although_another_succeeds(
    service: Backend, tmp_path: Path
) -> None:
    project = service.project("home:tester:half", repositories=("deb12", "leap"))
    only = hello(build='test "%{_repository}" = deb12 || frob; gcc -g -o hello hello.c')
    with pytest.raises(ProductError, match="frob") as caught:
        builder(service, project, places=TWO).make(step(tmp_path), tree(tmp_path / "t", only))
    assert f"{project}/hello leap/x86_64: failed" in caught.value.detail


def test_a_presubmit_build_leaves_nothing_behind(service: Backend, tmp_path: Path) -> None:
    project = service.project("home:tester:gate")
    job = builder(service, project, presubmit=True)
    made = job.make(step(tmp_path), tree(tmp_path / "tree", hello()))
    assert made.facts["project"].startswith("home:tester:virtci:")
    with pytest.raises(NotThere):
        door(service).call(
            "GET", f"/source/{made.facts['project'].split('/')[0]}", Deadline.after(9)
        )
    assert list(made_projects.left_over()) == []


CHILD = """
import sys
from pathlib import Path
from tests.obs.real_builds import builder, step, tree
from tests.obs_backend.backend import hello
class Service:
    apiurl = sys.argv[1]
where = Path(sys.argv[2])
sources = tree(where / "tree", hello(build="sleep 100"))
builder(Service(), "home:tester:killed", presubmit=True).make(step(where), sources)
"""


def test_what_a_killed_run_made_is_removed_by_the_next(service: Backend, tmp_path: Path) -> None:
    service.project("home:tester:killed")
    argv = (sys.executable, "-c", CHILD, service.apiurl, str(tmp_path))
    own = f"home:tester:virtci:{tmp_path.name}"
    with subprocess.Popen(argv, env=dict(os.environ)) as child:
        there = f"/source/{own}/hello"
        wait_until(
            "the project of the run",
            lambda: service.frontend.ask("GET", there)[0] == 200,
            Deadline.after(60),
            every=0.2,
        )
        os.kill(child.pid, signal.SIGKILL)
    assert made_projects.sweep(door(service), Deadline.after(60)) == (own,)
    assert service.frontend.ask("GET", f"/source/{own}/_meta")[0] == 404


def test_a_branch_is_made_and_built(service: Backend, tmp_path: Path) -> None:
    origin = service.project("home:tester:origin", build=False)
    service.package(origin, "hello", hello())
    job = builder(service, "home:tester:branched", branch_from=f"{origin}/hello")
    made = job.make(step(tmp_path), tree(tmp_path / "tree", hello(version="1.2")))
    assert made.rpms[0].version == "1.2"
    listed = service.get("/source/home:tester:branched/hello")
    assert b"linkinfo" in listed


def test_a_wrong_password_is_told_without_showing_it(
    service: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = write_oscrc(tmp_path / "oscrc", service.apiurl, password="notthis")
    monkeypatch.setenv("OSC_CONFIG", str(wrong))
    with pytest.raises(Denied, match="does not accept the password of user 'tester'") as caught:
        door(service).call("GET", "/source", Deadline.after(10))
    assert "notthis" not in f"{caught.value.message}{caught.value.hint}{caught.value.detail}"


def test_no_permission_is_told(service: Backend, tmp_path: Path) -> None:
    project = service.project("home:tester:closed")
    service.package(project, "hello", hello())
    service.frontend.read_only.add(project)
    try:
        changed = tree(tmp_path / "tree", hello(version="2.0"))
        with pytest.raises(Denied, match="no permission to modify project"):
            builder(service, project).make(step(tmp_path), changed)
    finally:
        service.frontend.read_only.clear()


def test_an_unknown_project_is_told_with_the_nearest_name(service: Backend) -> None:
    service.project("home:tester:spelling", build=False)
    package = Package(project="home:tester:speling", package="hello")
    with pytest.raises(UsageError) as caught:
        why.states(door(service), Deadline.after(20), package)
    assert "home:tester:spelling" in caught.value.hint


def test_plain_http_needs_to_be_allowed(service: Backend) -> None:
    with pytest.raises(UsageError, match="in the clear"):
        connect(service.apiurl)


def test_no_secret_reaches_the_run_folder(service: Backend, tmp_path: Path) -> None:
    project = service.project("home:tester:secret")
    builder(service, project).make(step(tmp_path), tree(tmp_path / "tree", hello()))
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert PASSWORD.encode() not in path.read_bytes(), path
