"""A run says which packages of its hosts are others than in the last good run."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from ci.codec import to_json
from ci.commands.report_files import show
from ci.facts import PackageChange, package_diff
from ci.model import Outcome
from ci.report.compare import compare
from ci.report.console import summary
from ci.report.loading import load
from ci.report.page import page
from tests.made_runs import DAY, START, case, make_run

OLD = ("glibc-2.36-1.x86_64", "libvirt-9.0-1.x86_64", "xen-4.17-1.x86_64")
NEW = ("glibc-2.37-1.x86_64", "libvirt-9.1-1.x86_64", "xen-4.17-1.x86_64", "zstd-1-1.x86_64")
TOLD = (
    "+ zstd-1-1.x86_64",
    "~ glibc-2.36-1.x86_64 -> glibc-2.37-1.x86_64",
    "~ libvirt-9.0-1.x86_64 -> libvirt-9.1-1.x86_64",
)


def a_run(
    folder: Path, day: int, after: tuple[str, ...], outcome: Outcome = Outcome.PASSED
) -> Path:
    suites = {"xen1/tck": [case("works", outcome)]}
    make_run(folder.parent, folder.name, suites, at=START + day * DAY)
    place = folder / "deploy/xen1"
    place.mkdir(parents=True)
    change = PackageChange(before=(), after=after, difference=package_diff((), after))
    (place / "packages.json").write_bytes(to_json(change))
    return folder


def printed(folder: Path) -> str:
    out = io.StringIO()
    summary(Console(file=out, width=200), load(folder), exit_code=0)
    return out.getvalue()


def test_the_last_good_run_is_compared_with_not_the_last_one(tmp_path: Path) -> None:
    a_run(tmp_path / "r1", 1, OLD)
    a_run(tmp_path / "r2", 2, NEW, Outcome.FAILED)
    now = a_run(tmp_path / "r3", 3, NEW)
    told = f"packages    xen1: 3 others than in r1 (the last good run): {', '.join(TOLD)}"
    assert told in printed(now)
    text = page(now, load(now))
    assert "xen1: 3 packages are others than then" in text
    assert "libvirt-9.0-1.x86_64 -&gt; libvirt-9.1-1.x86_64" in text


def test_the_same_packages_are_said_to_be_the_same(tmp_path: Path) -> None:
    a_run(tmp_path / "r1", 1, OLD)
    now = a_run(tmp_path / "r2", 2, OLD)
    assert "xen1: all 3 packages are those of r1" in printed(now)
    assert "all 3 packages of the host are those of then" in page(now, load(now))


def test_two_runs_are_compared_by_hand_too(tmp_path: Path) -> None:
    one, two = a_run(tmp_path / "r1", 1, OLD), a_run(tmp_path / "r2", 2, NEW)
    out = io.StringIO()
    show(Console(file=out, width=300), compare(load(one), load(two)))
    assert f"xen1: 3 others than in r1: {', '.join(TOLD)}" in out.getvalue()


def test_many_changes_are_counted_and_a_damaged_record_is_no_trouble(tmp_path: Path) -> None:
    many = tuple(f"p{n}-1-1.noarch" for n in range(300))
    a_run(tmp_path / "r1", 1, OLD)
    now = a_run(tmp_path / "r2", 2, many)
    assert "303 others" in printed(now)
    assert "and 295 more" in printed(now)
    assert "and 103 more" in page(now, load(now))
    (tmp_path / "r1/deploy/xen1/packages.json").write_text("{")
    assert "packages    " not in printed(now)


def test_without_a_deployment_nothing_is_said(tmp_path: Path) -> None:
    make_run(tmp_path, "r1", {"xen1/tck": [case("works")]})
    assert "packages    " not in printed(tmp_path / "r1")
