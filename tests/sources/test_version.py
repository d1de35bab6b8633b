from __future__ import annotations

import pytest

from ci.sources.version import archive_version, rpm_version


@pytest.mark.parametrize(
    ("described", "version"),
    [
        ("v9.0.0-0-gabcdef123", "9.0.0"),
        ("v9.0.0-12-gabcdef123", "9.0.0+12.gabcdef123"),
        ("v9.1.0-rc1-0-gabcdef123", "9.1.0~rc1"),
        ("v9.1.0-rc2-3-gabcdef123", "9.1.0~rc2+3.gabcdef123"),
        ("RELEASE-4.17.0-5-gabcdef123", "4.17.0+5.gabcdef123"),
        ("libvirt-1.2-beta-0-gabcdef123", "1.2~beta"),
        ("1.0-2-0123456789ab", "1.0+2.0123456789ab"),
        ("2024-05-01-0-gabcdef123", "2024.05.01"),
        ("nightly-0-gabcdef123", ""),
        ("", ""),
    ],
)
def test_a_tag_becomes_a_version_that_rpm_accepts(described: str, version: str) -> None:
    assert rpm_version(described) == version


def test_uncommitted_changes_show() -> None:
    assert rpm_version("v1.0-0-gabcdef123", dirty=True) == "1.0+dirty"
    assert rpm_version("v1.0-2-gabcdef123", dirty=True) == "1.0+2.gabcdef123.dirty"


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("libvirt_9.0.0.orig.tar.xz", "9.0.0"),
        ("libvirt-9.1.0-rc1.tar.gz", "9.1.0~rc1"),
        ("xen-4.17.tgz", "4.17"),
        ("v2.0.tar.gz", ""),
        ("archive", ""),
    ],
)
def test_the_name_of_an_archive_tells_the_version(name: str, version: str) -> None:
    assert archive_version(name) == version
