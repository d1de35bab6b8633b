"""A tree becomes the files of a package; the same tree the same files."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from ci.errors import UsageError
from ci.model import Tree
from ci.obs.sourcefiles import package_folder, packed_tree
from tests.obs.fakes import a_step

SPEC = """\
Name: hello
Version: 0
Release: 1
Summary: s
License: MIT
Source0: hello-%{version}.tar.gz
Patch0: fix.patch
%description
d
%prep
%setup -q
"""


def tree(folder: Path) -> Tree:
    folder.mkdir()
    (folder / "hello.c").write_text("int main(void) { return 0; }\n")
    (folder / "hello.spec").write_text(SPEC)
    return Tree(path=str(folder), revision="a" * 40, digest="d" * 64, version="2.5")


def test_a_package_is_taken_as_it_is(tmp_path: Path) -> None:
    found = package_folder(tree(tmp_path / "t"), ())
    assert set(found) == {"hello.c", "hello.spec"}


def test_a_folder_without_a_spec_is_no_package(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no spec"):
        package_folder(Tree(path=str(tmp_path), revision="r", digest="d"), ())


def test_a_file_beside_the_plan_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gone\.patch"):
        package_folder(tree(tmp_path / "t"), (str(tmp_path / "gone.patch"),))


@pytest.mark.real
def test_a_tree_is_packed_as_its_spec_wants_and_stamped(tmp_path: Path) -> None:
    sources = tree(tmp_path / "t")
    (tmp_path / "fix.patch").write_text("--- a\n")
    beside = (str(tmp_path / "fix.patch"),)
    found = packed_tree(a_step(tmp_path), sources, "hello.spec", (), beside)
    assert set(found) == {"hello.spec", "hello-2.5.tar.gz", "fix.patch"}
    text = found["hello.spec"].read_text()
    assert "Version: 2.5" in text
    assert "gaaaaaaaa" in text
    with tarfile.open(found["hello-2.5.tar.gz"]) as tar:
        assert "hello-2.5/hello.c" in tar.getnames()
    before = found["hello-2.5.tar.gz"].read_bytes()
    again = packed_tree(a_step(tmp_path), sources, "hello.spec", (), beside)
    assert again["hello-2.5.tar.gz"].read_bytes() == before


@pytest.mark.real
def test_a_patch_that_is_nowhere_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"the spec names fix\.patch"):
        packed_tree(a_step(tmp_path), tree(tmp_path / "t"), "hello.spec", (), ())
