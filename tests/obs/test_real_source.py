"""Sources fetched from the real service, and builds on this machine with osc."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ci.deadline import Deadline
from ci.errors import ProductError, UsageError
from ci.obs.local import OscBuilder
from ci.obs.source import ObsSource
from ci.run import Step
from ci.shell import LocalShell
from tests.obs_backend.backend import Backend, hello

pytestmark = [
    pytest.mark.real,
    pytest.mark.xdist_group("obs"),
    pytest.mark.timeout(400, func_only=True),
]
LINE = 'int main(void) { puts("%s"); return 0; }'


def patch(before: str, after: str) -> bytes:
    """A change of the one line that counts."""
    head = "--- a/hello.c\n+++ b/hello.c\n@@ -1,2 +1,2 @@\n #include <stdio.h>\n"
    return f"{head}-{LINE % before}\n+{LINE % after}\n".encode()


PATCHES = {"first.patch": patch("hello", "first"), "second.patch": patch("first", "second")}


def step(folder: Path, name: str) -> Step:
    where = folder / name
    where.mkdir(parents=True)
    return Step(name, LocalShell(), Deadline.after(300), where, folder)


def source(service: Backend, project: str, package: str = "hello", **more: object) -> ObsSource:
    return ObsSource(
        apiurl=service.apiurl,
        allow_http=True,
        project=project,
        package=package,
        **more,  # type: ignore[arg-type]
    )


@pytest.fixture(scope="package")
def sources(service: Backend) -> str:
    """Two revisions of a package with patches, and a link to it with one more change."""
    project = service.project("home:tester:sources", build=False)
    spec = hello(extra="Patch0: first.patch\nPatch1: second.patch")
    prepared = spec["hello.spec"].replace(
        b"%setup -q -n hello-1.0", b"%setup -q -n hello-1.0\n%patch0 -p1\n%patch1 -p1"
    )
    service.package(project, "hello", {**hello(), "old.txt": b"old\n"})
    service.package(
        project, "hello", {**spec, **PATCHES, "hello.spec": prepared, "old.txt": b"new\n"}
    )
    service.put(
        f"/source/{project}/linked/_meta",
        f'<package name="linked" project="{project}"><title/><description/></package>',
    )
    service.put(f"/source/{project}/linked/_link", f'<link project="{project}" package="hello"/>')
    return project


def test_the_newest_revision_comes_with_its_history(
    service: Backend, sources: str, tmp_path: Path
) -> None:
    tree = source(service, sources).fetch(step(tmp_path, "a"))
    assert (Path(tree.path) / "old.txt").read_text() == "new\n"
    assert [commit.author for commit in tree.commits] == ["tester", "tester"]
    newer = source(service, sources).fetch(step(tmp_path, "b"), since="1")
    assert len(newer.commits) == 1


def test_an_old_revision_can_be_had(service: Backend, sources: str, tmp_path: Path) -> None:
    tree = source(service, sources, rev="1").fetch(step(tmp_path, "a"))
    assert (Path(tree.path) / "old.txt").read_text() == "old\n"


def test_a_link_is_followed(service: Backend, sources: str, tmp_path: Path) -> None:
    tree = source(service, sources, "linked").fetch(step(tmp_path, "a"))
    assert (Path(tree.path) / "first.patch").is_file()


def test_patches_are_applied_in_the_order_of_the_spec(
    service: Backend, sources: str, tmp_path: Path
) -> None:
    tree = source(service, sources, prepared=True).fetch(step(tmp_path, "a"))
    assert 'puts("second")' in (Path(tree.path) / "hello.c").read_text()


@pytest.mark.parametrize("wrong", [{"rev": "99"}, {"package": "nosuch"}])
def test_what_is_not_there_is_told(
    service: Backend, sources: str, tmp_path: Path, wrong: dict[str, str]
) -> None:
    with pytest.raises(UsageError):
        source(service, sources, **wrong).fetch(step(tmp_path, "a"))


def local(service: Backend, project: str, **more: object) -> OscBuilder:
    return OscBuilder(
        apiurl=service.apiurl,
        allow_http=True,
        project=project,
        package="hello",
        place="deb12/x86_64",
        tree="package",
        trust=True,
        verify=False,
        **more,  # type: ignore[arg-type]
    )


def test_osc_builds_here_and_keeps_the_build_root(service: Backend, tmp_path: Path) -> None:
    project = service.project("home:tester:local", build=False)
    service.package(project, "hello", hello())
    tree = source(service, project).fetch(step(tmp_path, "source"))
    made = local(service, project).make(step(tmp_path, "build"), tree)
    (rpm,) = made.rpms
    assert rpm.name == "hello"
    assert rpm.build_ids
    again = local(service, project, root="continue").make(step(tmp_path, "again"), tree)
    assert again.rpms[0].nevra == rpm.nevra
    subprocess.run(("rm", "-rf", made.facts["root"]), check=True)


def test_a_local_failure_is_explained_with_the_way_into_the_build_root(
    service: Backend, tmp_path: Path
) -> None:
    project = service.project("home:tester:localbad", build=False)
    service.package(project, "hello", hello(build="frobnicate"))
    tree = source(service, project).fetch(step(tmp_path, "source"))
    with pytest.raises(ProductError, match="frobnicate, which is not in the build root") as caught:
        local(service, project).make(step(tmp_path, "build"), tree)
    assert " chroot --root=" in caught.value.hint
    assert "the whole log: " in caught.value.detail
