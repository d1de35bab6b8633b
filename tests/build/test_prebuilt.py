"""Packages taken as they are, and what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ci.build.prebuilt import PrebuiltBuilder
from ci.deadline import Deadline
from ci.errors import UsageError
from ci.model import Build
from ci.run import Step
from ci.shell import LocalShell
from tests.build.hello import build_in, hello_tree

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hello")
    return Path(build_in(folder / "run", hello_tree(folder / "tree")).rpms[0].path)


def take(folder: Path, *rpms: str) -> Build:
    step = Step("build", LocalShell(), Deadline.after(60), folder, folder)
    return PrebuiltBuilder(rpms=rpms).located(folder).make(step, None)


@pytest.mark.parametrize("place", ["out", "out/*.rpm", "out/hello.rpm"])
def test_a_folder_a_pattern_and_a_file_give_the_same(
    tmp_path: Path, package: Path, place: str
) -> None:
    (tmp_path / "out").mkdir()
    shutil.copy(package, tmp_path / "out" / "hello.rpm")
    (rpm,) = take(tmp_path, place).rpms
    assert rpm.nevra.startswith("hello-1.0-3.virtci.")
    assert [known.path for known in rpm.build_ids] == ["/usr/bin/hello"]


def test_a_truncated_package_is_refused(tmp_path: Path, package: Path) -> None:
    (tmp_path / "cut.rpm").write_bytes(package.read_bytes()[:-200])
    with pytest.raises(UsageError, match=r"cut\.rpm is damaged or cut short"):
        take(tmp_path, "cut.rpm")


def test_what_is_no_package_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.rpm").write_text("<html>404 Not Found</html>")
    with pytest.raises(UsageError, match=r"notes\.rpm is not an RPM package"):
        take(tmp_path, "notes.rpm")


@pytest.mark.parametrize("place", ["empty", "missing", "missing/*.rpm"])
def test_a_place_without_packages_is_refused(tmp_path: Path, place: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no package there"):
        take(tmp_path, place)


def test_two_versions_of_a_package_are_refused(tmp_path: Path, package: Path) -> None:
    shutil.copy(package, tmp_path / "a.rpm")
    shutil.copy(package, tmp_path / "b.rpm")
    with pytest.raises(UsageError, match=r"two packages of the same name: a\.rpm and b\.rpm"):
        take(tmp_path, "*.rpm")
