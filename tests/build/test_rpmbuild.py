"""Small packages built by the real rpmbuild, good and broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.build.rpmbuild import RpmbuildBuilder
from ci.deadline import Deadline
from ci.errors import InfraError, ProductError, TimedOut, UsageError
from ci.model import Build
from ci.run import Run
from ci.shell import LocalShell
from tests.build.hello import REVISION, build_in, hello_spec, hello_tree, make

pytestmark = pytest.mark.real


def broken(tmp_path: Path, spec: str) -> ProductError:
    with pytest.raises(ProductError) as caught:
        build_in(tmp_path / "run", hello_tree(tmp_path / "tree", spec))
    return caught.value


def test_the_package_carries_the_revision_and_its_programs_build_id(tmp_path: Path) -> None:
    build = build_in(tmp_path / "run", hello_tree(tmp_path / "tree"))
    (rpm,) = build.rpms
    assert rpm.nevra == "hello-1.0-3.virtci.0.g01234567.dfedcba98.x86_64"
    assert build.revision == REVISION
    (program,) = rpm.build_ids
    assert program.path == "/usr/bin/hello"
    assert len(program.build_id) == 40
    assert (tmp_path / "run" / build.log).read_text().count("Executing(%build)") == 1


def test_equal_trees_in_different_folders_give_equal_packages(tmp_path: Path) -> None:
    first = build_in(tmp_path / "run1", hello_tree(tmp_path / "one"))
    second = build_in(tmp_path / "run2", hello_tree(tmp_path / "two"))
    assert [rpm.nevra for rpm in first.rpms] == [rpm.nevra for rpm in second.rpms]
    header = ("rpm", "-qp", "--qf", r"%{BUILDTIME} %{BUILDHOST}[ %{FILEMTIMES}]")
    shell = LocalShell()
    said = [
        shell.run((*header, rpm.path), Deadline.after(60)).stdout.split()
        for build in (first, second)
        for rpm in build.rpms
    ]
    assert said[0] == said[1]
    assert set(said[0]) == {"946684800", "virtci"}


def test_what_an_interrupted_build_left_is_no_hindrance(tmp_path: Path) -> None:
    left = tmp_path / "run" / "build" / "rpmbuild" / "RPMS" / "x86_64" / "old-1-1.x86_64.rpm"
    left.parent.mkdir(parents=True)
    left.write_text("half a package")
    build = build_in(tmp_path / "run", hello_tree(tmp_path / "tree"))
    assert [rpm.name for rpm in build.rpms] == ["hello"]


def test_a_noarch_package_without_sources_is_built(tmp_path: Path) -> None:
    spec = (
        "Name: empty\nVersion: 2\nRelease: 1\nSummary: empty\nLicense: MIT\nBuildArch: noarch\n"
        "%description\nempty\n%files\n"
    )
    (rpm,) = build_in(tmp_path / "run", hello_tree(tmp_path / "tree", spec)).rpms
    assert (rpm.name, rpm.arch, rpm.build_ids) == ("empty", "noarch", ())


def test_a_compiler_error_is_shown_with_its_line(tmp_path: Path) -> None:
    error = broken(tmp_path, hello_spec(build="echo 'int x = nope;' >bad.c\ngcc -c bad.c"))
    assert "in %build: bad.c:1:9: error: " in error.message
    assert "int x = nope;" in error.detail
    assert str(tmp_path / "run" / "build" / "rpmbuild.log") in error.hint


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"preamble": "%if 1"}, "hello.spec is not a valid spec: error: line 7: Unclosed %if"),
        ({"preamble": "Foo: bar"}, "error: line 7: Unknown tag: Foo: bar"),
        ({"files": "/usr/bin/absent"}, "File not found: /usr/bin/absent"),
        ({"check": "echo 'FAIL: test-one'\nexit 1"}, "in %check: FAIL: test-one"),
        ({"build": "exit 7"}, "in %build: this command failed: exit 7"),
    ],
)
def test_the_cause_is_in_the_first_line(tmp_path: Path, change: dict[str, str], said: str) -> None:
    assert said in broken(tmp_path, hello_spec(**change)).message


def test_missing_requirements_are_named_before_anything_is_built(tmp_path: Path) -> None:
    needs = "BuildRequires: gcc, pkgconfig(no-such) >= 3, /usr/bin/no-such, perl(No::Such)"
    with pytest.raises(InfraError) as caught:
        build_in(tmp_path / "run", hello_tree(tmp_path / "tree", hello_spec(preamble=needs)))
    message = caught.value.message
    assert all(n in message for n in ("pkgconfig(no-such) >= 3", "/usr/bin/no-such", "perl(No::"))
    assert "gcc" not in message
    assert not (tmp_path / "run" / "build" / "rpmbuild.log").exists()


def test_a_full_disk_is_not_the_codes_fault(tmp_path: Path) -> None:
    fill = "dd if=/dev/zero of=/dev/full bs=1 count=1"
    with pytest.raises(InfraError, match="No space left on device"):
        build_in(tmp_path / "run", hello_tree(tmp_path / "tree", hello_spec(build=fill)))


def test_a_file_that_the_spec_names_must_be_somewhere(tmp_path: Path) -> None:
    spec = hello_spec(preamble="Source1: hello.conf")
    with pytest.raises(UsageError, match=r"the spec names hello\.conf"):
        build_in(tmp_path / "run", hello_tree(tmp_path / "tree", spec))


def test_spec_and_sources_may_lie_beside_the_plan(tmp_path: Path) -> None:
    tree = hello_tree(tmp_path / "tree")
    (tmp_path / "plans").mkdir()
    spec = hello_spec(preamble="Source1: extra.c", build="gcc -g -o hello %{SOURCE1}")
    (tmp_path / "plans" / "mine.spec").write_text(spec)
    (tmp_path / "plans" / "extra.c").write_text("int main(void) { return 1; }\n")
    builder = RpmbuildBuilder(spec="mine.spec", sources=("extra.c",)).located(tmp_path / "plans")
    assert build_in(tmp_path / "run", tree, builder).rpms[0].name == "hello"


def test_defines_and_conditions_reach_the_spec(tmp_path: Path) -> None:
    spec = hello_spec(
        preamble="%bcond_with extra\n%{?with_extra:Provides: extra = %{virtci_word}}",
    )
    builder = RpmbuildBuilder(with_=("extra",), defines={"virtci_word": "7"})
    build = build_in(tmp_path / "run", hello_tree(tmp_path / "tree", spec), builder)
    argv = ("rpm", "-qp", "--provides", build.rpms[0].path)
    assert "extra = 7" in LocalShell().run(argv, Deadline.after(60)).stdout


def test_dist_makes_the_tarball_and_leaves_the_tree_alone(tmp_path: Path) -> None:
    tree = hello_tree(tmp_path / "tree")
    script = "mkdir hello-7.5 && cp hello.c hello-7.5 && tar czf hello-7.5.tar.gz hello-7.5"
    builder = RpmbuildBuilder(dist=("sh", "-c", script))
    build = build_in(tmp_path / "run", tree, builder)
    assert build.rpms[0].version == "7.5"
    assert sorted(path.name for path in Path(tree.path).iterdir()) == ["hello.c", "hello.spec"]


def test_odd_file_names_in_the_tree_are_packed(tmp_path: Path) -> None:
    tree = hello_tree(tmp_path / "tree", hello_spec(check='test "$(ls -1 | wc -l)" -ge 5'))
    for name in ("a b", "-rf", "$(touch owned)", "ünïcode\n.c"):
        (Path(tree.path) / name).write_text("x")
    (Path(tree.path) / "dangling").symlink_to("/nowhere/at/all")
    assert build_in(tmp_path / "run", tree).rpms
    assert not list(tmp_path.rglob("owned"))


def test_a_build_that_hangs_is_ended_at_the_deadline(tmp_path: Path) -> None:
    tree = hello_tree(tmp_path / "tree", hello_spec(build="sleep 600"))
    run = Run(tmp_path / "run", seconds=5)
    with pytest.raises(TimedOut, match="rpmbuild"):
        run.step("build", Build, make, RpmbuildBuilder(), tree, retries=0)
    run.close()
