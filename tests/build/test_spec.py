"""Specs stamped and read."""

from __future__ import annotations

import re

import pytest

from ci.build.spec import meson_version, release_of, stamped, wanted_sources
from ci.errors import ProductError
from ci.model import Commit, Tree

SPEC = (
    "Name: x\nVersion: 1\nRelease: 4%{?dist}\nSource0: x-%{version}.tar\n%description\nRelease: y\n"
)
COMMIT = "9f3c21d07b8e4a65f0d1c2b3a4958677deadbeef"


def tree(revision: str = COMMIT, digest: str = "ab" * 32, date: str = "") -> Tree:
    commits = (Commit(id=revision, author="a", date=date, subject="s"),) if date else ()
    return Tree(path="/t", revision=revision, digest=digest, commits=commits)


def test_the_release_tells_time_revision_and_content() -> None:
    release = release_of(SPEC, tree(date="2026-03-04T05:06:07+01:00"))
    assert release == "4.virtci.20260304040607.g9f3c21d0.dabababab"


def test_a_later_commit_is_a_higher_release() -> None:
    dates = ("2026-03-04T23:00:00+00:00", "2026-03-05T00:30:00+01:00", "2026-11-01T00:00:00Z")
    releases = [release_of(SPEC, tree(date=date)) for date in dates]
    assert releases == sorted(releases)


@pytest.mark.parametrize("revision", ["", "r1'; rm -rf /", "1234", "v1.0-rc/~é", "-" * 300, COMMIT])
def test_any_revision_gives_a_release_that_rpm_accepts(revision: str) -> None:
    assert re.fullmatch(
        r"4\.virtci\.0\.[0-9a-z]{1,17}\.dabababab", release_of(SPEC, tree(revision))
    )


def test_a_revision_that_is_the_digest_is_not_told_twice() -> None:
    digest = "0123456789abcdef" * 4
    assert release_of(SPEC, tree(digest, digest)) == "4.virtci.0.g01234567"


def test_stamping_changes_the_preamble_alone() -> None:
    text = stamped(SPEC, "2.5", "1.virtci")
    assert "Version: 2.5\nRelease: 1.virtci%{?dist}\n" in text
    assert text.endswith("%description\nRelease: y\n")


def test_a_spec_without_a_release_is_refused() -> None:
    with pytest.raises(ProductError, match="no Release: line"):
        stamped("Name: x\n%description\nRelease: 1\n", "", "1")


def test_the_folder_that_prep_enters_is_found() -> None:
    expanded = (
        "Name: x\nVersion: 2\nSource0: https://e.org/f/x-2.tar.xz\nSource1: a.conf\n"
        "Patch3: b.patch\n%description\nx\n%prep\n\ncd '/top/BUILD'\nrm -rf 'x-core-2'\n"
        "/usr/lib/rpm/rpmuncompress -x /top/SOURCES/x-2.tar.xz\ncd 'x-core-2'\nrm -rf 'bundled'\n"
    )
    found = wanted_sources(expanded)
    assert (found.archive, found.top) == ("x-2.tar.xz", "x-core-2")
    assert found.others == ("b.patch", "a.conf")


def test_the_folder_is_name_and_version_by_default() -> None:
    assert wanted_sources("Name: x\nVersion: 2\nSource: x.tar\n%prep\n%setup -q\n").top == "x-2"


def test_the_version_of_a_meson_project_is_read() -> None:
    text = "project(\n  'libvirt', 'c',\n  meson_version: '>= 0.5',\n  version: '11.2.0',\n)\n"
    assert meson_version(text) == "11.2.0"
    assert meson_version("project('x', 'c')\nconf.set('version', '3')\n") == ""
