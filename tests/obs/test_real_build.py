"""Builds on the real service: commit, wait, fetch, explain, clean up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ci.deadline import Deadline, wait_until
from ci.errors import InfraError, ProductError, UsageError, VirtciError
from ci.model import Build, Tree
from ci.obs import project as made_projects
from ci.obs import why
from ci.obs.api import Api, connect
from ci.obs.door import Denied, NotThere
from ci.obs.remote import ObsBuilder
from ci.obs.target import Package
from ci.run import Step
from ci.shell import LocalShell
from tests.obs_backend.backend import PASSWORD, Backend, hello, write_oscrc

pytestmark = [
    pytest.mark.real,
    pytest.mark.xdist_group("obs"),
    pytest.mark.timeout(600, func_only=True),
]
PLACE = "deb12/x86_64"
SECONDS = 240.0


def door(service: Backend) -> Api:
    return connect(service.apiurl, allow_http=True)


def step(folder: Path, name: str = "build") -> Step:
    where = folder / name
    where.mkdir(parents=True, exist_ok=True)
    return Step(name, LocalShell(), Deadline.after(SECONDS), where, folder)


def tree(folder: Path, files: dict[str, bytes], revision: str = "v1") -> Tree:
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return Tree(path=str(folder), revision=revision, digest="d")


def builder(service: Backend, project: str, package: str = "hello", **more: object) -> ObsBuilder:
    return ObsBuilder(
        apiurl=service.apiurl,
        allow_http=True,
        project=project,
        package=package,
        commit="package",
        create=True,
        **{"places": (PLACE,), **more},  # type: ignore[arg-type]
    )


def builds(service: Backend, project: str) -> int:
    return service.get(f"/build/{project}/{PLACE}/_jobhistory").count(b"<jobhist ")


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


MISSING_HEADER = hello("header", source="#include <nosuch.h>\nint main(void) { return 0; }\n")
FAILURES = {
    "header": (MISSING_HEADER, "missing-header", "nosuch.h", ProductError),
    "syntax": (hello("syntax", extra="%if 1"), "spec-syntax", "Unclosed %if", ProductError),
    "needs": (
        hello("needs", extra="BuildRequires: libnosuch-devel >= 3.1"),
        "build-requirement-missing",
        "libnosuch-devel",
        ProductError,
    ),
    "indirect": (
        hello("indirect", extra="BuildRequires: librarian"),
        "dependency-of-a-dependency-missing",
        "librados.so.2()(64bit)",
        InfraError,
    ),
    "sibling": (
        hello("sibling", extra="BuildRequires: header"),
        "build-requirement-missing",
        "virtci obs why home:tester:failures/header deb12/x86_64",
        ProductError,
    ),
    "unheard": (
        hello("unheard", build="echo 'knob 7: stuck at 11'; exit 3"),
        "unknown",
        "knob 7: stuck at 11",
        ProductError,
    ),
    "empty": ({}, "no-sources", "ever committed", ProductError),
    "twospecs": (
        {"a.spec": hello("a")["a.spec"], "b.spec": hello("b")["b.spec"]},
        "excluded",
        "not meant to be built",
        ProductError,
    ),
}


@pytest.fixture(scope="package")
def failures(service: Backend) -> Backend:
    """Every failure of the table, made for real in one project."""
    project = service.project("home:tester:failures")
    library = hello("librarian", extra="Requires: librados.so.2()(64bit)", check="true")
    service.package(project, "librarian", library)
    for name, (files, *_) in FAILURES.items():
        service.package(project, name, files)
    api = door(service)

    def settled() -> bool:
        states = [
            state
            for name in FAILURES
            for state in why.states(api, Deadline.after(30), Package(project=project, package=name))
        ]
        ready = builds(service, project) >= 4
        return ready and all(s.final and not s.code.startswith("blocked") for s in states)

    wait_until("the failures to have happened", settled, Deadline.after(SECONDS), every=1)
    return service


@pytest.mark.parametrize("name", FAILURES)
def test_a_real_failure_is_told_in_words(failures: Backend, name: str) -> None:
    _, shape, phrase, _ = FAILURES[name]
    package = Package(project="home:tester:failures", package=name)
    api = door(failures)
    (state,) = why.states(api, Deadline.after(30), package)
    answer = why.why(api, Deadline.after(30), package, state)
    assert answer.explanation.shape == shape, why.text_of(answer)
    assert phrase in why.text_of(answer)


@pytest.mark.parametrize("name", ["header", "indirect", "twospecs"])
def test_a_builder_raises_the_explanation_by_who_is_to_blame(
    failures: Backend, tmp_path: Path, name: str
) -> None:
    files, _, phrase, blamed = FAILURES[name]
    job = builder(failures, "home:tester:failures", name)
    with pytest.raises(VirtciError) as caught:
        job.make(step(tmp_path), tree(tmp_path / "tree", files))
    assert type(caught.value) is blamed
    assert phrase in caught.value.message
    assert "  what    " in caught.value.detail


@pytest.mark.parametrize(("name", "code"), [("header", 1), ("indirect", 3)])
def test_the_command_says_why_and_its_exit_code_who_is_to_blame(
    failures: Backend, name: str, code: int
) -> None:
    package = f"home:tester:failures/{name}"
    argv = (sys.executable, "-m", "ci", "obs", "why", package, PLACE, "-A", failures.apiurl)
    done = subprocess.run(
        (*argv, "--allow-http"), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == code, done.stderr
    assert FAILURES[name][2] in done.stdout
    assert PASSWORD not in done.stdout + done.stderr


def test_the_first_bad_revision_and_the_difference_are_told(
    service: Backend, tmp_path: Path
) -> None:
    project = service.project("home:tester:since")
    builder(service, project).make(step(tmp_path, "one"), tree(tmp_path / "tree", hello()))
    bad = hello(build="gcc -o hello nosuch.c")
    with pytest.raises(ProductError) as caught:
        builder(service, project).make(step(tmp_path, "two"), tree(tmp_path / "tree", bad, "v2"))
    told = caught.value.detail
    assert "since   revision 2" in told
    assert 'by tester: "v2"' in told
    assert "good    revision 1 (1.0-1.1)" in told
    assert "+gcc -o hello nosuch.c" in told


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
from tests.obs.test_real_build import builder, step, tree
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


def test_connections_cut_in_the_middle_cost_nothing(service: Backend, tmp_path: Path) -> None:
    project = service.project("home:tester:cut")
    # sources are kept by package: under a new name everything has to be sent
    sources = tree(tmp_path / "tree", hello("cutter"))
    service.frontend.cut = {r"^PUT .*hello-1\.0\.tar\.gz": 1, r"^GET .*x86_64\.rpm": 2}
    made = builder(service, project, "cutter").make(step(tmp_path), sources)
    assert set(service.frontend.cut.values()) == {0}
    assert made.rpms[0].nevra == "cutter-1.0-1.1.x86_64"
    assert builds(service, project) == 1
    assert not list(tmp_path.rglob("*.part"))


def _until_building(service: Backend, project: str) -> None:
    wait_until(
        "the worker to build",
        lambda: b'code="building"' in service.get(f"/build/{project}/_result"),
        Deadline.after(90),
        every=0.1,
    )


def _in_background(job: ObsBuilder, at: Step, sources: Tree, out: list[Build]) -> threading.Thread:
    thread = threading.Thread(target=lambda: out.append(job.make(at, sources)), daemon=True)
    thread.start()
    return thread


def test_a_worker_killed_in_the_middle_costs_only_time(service: Backend, tmp_path: Path) -> None:
    project = service.project("home:tester:workerkill")
    slow = hello(build="sleep 4; gcc -g -o hello hello.c")
    out: list[Build] = []
    sources = tree(tmp_path / "tree", slow)
    thread = _in_background(builder(service, project), step(tmp_path), sources, out)
    _until_building(service, project)
    service.workers[0].stop()
    service.workers[0].start()
    end = time.monotonic() + SECONDS
    while thread.is_alive() and time.monotonic() < end:
        thread.join(5)
        service.server.forgive_hosts()
    assert out
    assert out[0].rpms[0].version == "1.0"


def test_a_repository_server_that_stops_for_a_while_costs_only_time(
    service: Backend, tmp_path: Path
) -> None:
    project = service.project("home:tester:repstop")
    slow = hello(build="sleep 3; gcc -g -o hello hello.c")
    out: list[Build] = []
    sources = tree(tmp_path / "tree", slow)
    thread = _in_background(builder(service, project), step(tmp_path), sources, out)
    _until_building(service, project)
    daemon = service.server.daemons["bs_repserver"]
    daemon.stop(signal.SIGKILL)
    time.sleep(5)
    daemon.start()
    thread.join(SECONDS)
    assert out
    assert out[0].rpms[0].version == "1.0"


def test_no_secret_reaches_the_run_folder(service: Backend, tmp_path: Path) -> None:
    project = service.project("home:tester:secret")
    builder(service, project).make(step(tmp_path), tree(tmp_path / "tree", hello()))
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert PASSWORD.encode() not in path.read_bytes(), path
