"""What was built before is taken when, and only when, nothing that went into it has changed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from ci.build.kept import NOTE, make_room
from ci.build.rpmbuild import RpmbuildBuilder
from ci.model import BUILT_BEFORE, Build, Tree
from ci.run import Run
from tests.build.hello import build_in, hello_spec, hello_tree, make

REUSED = {BUILT_BEFORE: "one"}


def twice(tmp_path: Path, tree: Tree, builder: RpmbuildBuilder | None = None) -> Build:
    """The second of two builds of the same; its run is called ``two``."""
    build_in(tmp_path / "one", tree, builder)
    return build_in(tmp_path / "two", tree, builder)


@pytest.mark.real
def test_the_same_is_not_built_again_and_the_run_says_from_where_it_is(tmp_path: Path) -> None:
    tree = hello_tree(tmp_path / "tree")
    first = build_in(tmp_path / "one", tree)
    second = build_in(tmp_path / "two", tree)
    assert (first.facts, second.facts) == ({}, REUSED)
    assert [rpm.sha256 for rpm in second.rpms] == [rpm.sha256 for rpm in first.rpms]
    assert all(Path(rpm.path).is_relative_to(tmp_path / "two") for rpm in second.rpms)
    assert second.revision == tree.revision
    assert "Executing(%build)" in (tmp_path / "two" / second.log).read_text()
    assert not (tmp_path / "two" / "build" / "rpmbuild" / "BUILDROOT").exists()


@pytest.mark.real
def test_packages_that_were_taken_stand_when_the_first_run_is_gone(tmp_path: Path) -> None:
    tree = hello_tree(tmp_path / "tree")
    build_in(tmp_path / "one", tree)
    shutil.rmtree(tmp_path / "one")
    (rpm,) = build_in(tmp_path / "two", tree).rpms
    assert Path(rpm.path).is_file()


@pytest.mark.real
def test_force_builds_again_and_what_it_built_is_kept(tmp_path: Path) -> None:
    tree = hello_tree(tmp_path / "tree")
    build_in(tmp_path / "one", tree)
    forced = build_in(tmp_path / "forced", tree, RpmbuildBuilder(force=True))
    assert forced.facts == {}
    assert build_in(tmp_path / "two", tree).facts == {BUILT_BEFORE: "forced"}


Change = Callable[[Tree], tuple[Tree, RpmbuildBuilder]]


def _spec(tree: Tree) -> tuple[Tree, RpmbuildBuilder]:
    Path(tree.path, "hello.spec").write_text(hello_spec(build="gcc -O2 -g -o hello hello.c"))
    return tree, RpmbuildBuilder()


@pytest.mark.real
@pytest.mark.parametrize(
    "change",
    [
        _spec,
        lambda tree: (msgspec.structs.replace(tree, digest="00" * 32), RpmbuildBuilder()),
        lambda tree: (msgspec.structs.replace(tree, revision="ab" * 20), RpmbuildBuilder()),
        lambda tree: (tree, RpmbuildBuilder(defines={"virtci_word": "7"})),
        lambda tree: (tree, RpmbuildBuilder(without=("docs",))),
    ],
    ids=["spec", "content", "revision", "defines", "conditions"],
)
def test_another_input_is_another_build(tmp_path: Path, change: Change) -> None:
    tree = hello_tree(tmp_path / "tree")
    build_in(tmp_path / "one", tree)
    assert build_in(tmp_path / "two", *change(tree)).facts == {}


@pytest.mark.real
def test_another_source_beside_the_plan_is_another_build(tmp_path: Path) -> None:
    spec = hello_spec(preamble="Source1: extra.c", build="gcc -g -o hello %{SOURCE1}")
    tree, extra = hello_tree(tmp_path / "tree", spec), tmp_path / "extra.c"
    builder = RpmbuildBuilder(sources=(str(extra),))
    extra.write_text("int main(void) { return 1; }\n")
    assert twice(tmp_path, tree, builder).facts == REUSED
    extra.write_text("int main(void) { return 2; }\n")
    assert build_in(tmp_path / "three", tree, builder).facts == {}


@pytest.mark.real
@pytest.mark.parametrize(("name", "value"), [("CFLAGS", "-O3"), ("PKG_CONFIG_PATH", "/opt/x")])
def test_what_compilers_heed_is_an_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    tree = hello_tree(tmp_path / "tree")
    build_in(tmp_path / "one", tree)
    monkeypatch.setenv(name, value)
    assert build_in(tmp_path / "two", tree).facts == {}


@pytest.mark.real
def test_a_program_put_into_the_path_by_hand_is_an_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    tree = hello_tree(tmp_path / "tree")
    assert twice(tmp_path, tree).facts == REUSED
    (tools / "meson").symlink_to("/bin/false")
    assert build_in(tmp_path / "three", tree).facts == {}


@pytest.mark.real
def test_a_spec_that_expands_to_something_else_each_time_is_always_built(tmp_path: Path) -> None:
    spec = hello_spec(preamble="Provides: moment = %(date +%%s%%N)")
    assert twice(tmp_path, hello_tree(tmp_path / "tree", spec)).facts == {}


def _cut(kept: Path) -> None:
    rpm = next(kept.glob("*.rpm"))
    rpm.write_bytes(rpm.read_bytes()[:-100])


def _swap_bits(kept: Path) -> None:
    rpm = next(kept.glob("*.rpm"))
    data = bytearray(rpm.read_bytes())
    data[len(data) // 2] ^= 1
    rpm.write_bytes(data)


@pytest.mark.real
@pytest.mark.parametrize(
    "damage",
    [
        _cut,
        _swap_bits,
        lambda kept: next(kept.glob("*.rpm")).unlink(),
        lambda kept: (kept / NOTE).write_text("{"),
        lambda kept: (kept / NOTE).unlink(),
        lambda kept: (kept / "rpmbuild.log").unlink(),
    ],
    ids=["cut", "a bit", "no package", "half a note", "no note", "no log"],
)
def test_a_damaged_one_is_built_anew(
    tmp_path: Path, own_cache: Path, damage: Callable[[Path], None]
) -> None:
    tree = hello_tree(tmp_path / "tree")
    build_in(tmp_path / "one", tree)
    (note,) = own_cache.rglob(NOTE)
    damage(note.parent)
    assert build_in(tmp_path / "two", tree).facts == {}
    assert build_in(tmp_path / "three", tree).facts == {BUILT_BEFORE: "two"}


@pytest.mark.real
def test_a_build_that_failed_is_not_kept(tmp_path: Path, own_cache: Path) -> None:
    run = Run(tmp_path / "run", seconds=120)
    tree = hello_tree(tmp_path / "tree", hello_spec(build="exit 7"))
    with pytest.raises(Exception, match="does not build"):
        run.step("build", Build, make, RpmbuildBuilder(), tree, retries=0)
    run.close()
    assert not list(own_cache.rglob("*.rpm"))


def test_the_ones_not_taken_for_longest_make_room(tmp_path: Path) -> None:
    for age, name in enumerate(("new", "used", "old", "oldest")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.rpm").write_bytes(bytes(40))
        (tmp_path / name / NOTE).write_bytes(bytes(10))
        os.utime(tmp_path / name / NOTE, (1000 - age, 1000 - age))
    make_room(tmp_path, but=tmp_path / "old", most=120)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "old"]


def test_the_one_just_built_stays_however_large_it_is(tmp_path: Path) -> None:
    for name in ("large", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / NOTE).write_bytes(bytes(100))
    make_room(tmp_path, but=tmp_path / "large", most=50)
    assert [path.name for path in tmp_path.iterdir()] == ["large"]
