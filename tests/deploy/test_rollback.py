"""The way back to the former packages."""

from __future__ import annotations

import pytest

from ci.deploy.host_facts import HostFacts
from ci.deploy.rollback import rollback_commands
from ci.errors import UsageError
from tests.deploy.test_install import host

BEFORE = ("libvirt-1:9.0-1.x86_64", "same-1-1.noarch", "gone-1-1.noarch")
NOW = ("libvirt-1:9.1-1.x86_64", "same-1-1.noarch", "fresh-1-1.noarch")
SUSE, FEDORA = host("zypper", "rpm"), host("dnf", "rpm")
DEBIAN, PLAIN = host("rpm", "dpkg", "zypper"), host("rpm")
KEPT = ("/var/lib/virtci/packages/libvirt-9.0-1.x86_64.rpm", "/x/gone-1-1.noarch.rpm")


def test_zypper_goes_back_in_one_transaction() -> None:
    (argv,) = rollback_commands(SUSE, BEFORE, NOW)
    assert argv[0] == "zypper"
    assert argv[-3:] == ("gone-1-1.noarch", "libvirt-1:9.0-1.x86_64", "-fresh-1-1.noarch")


def test_dnf_installs_and_removes() -> None:
    assert rollback_commands(FEDORA, BEFORE, NOW) == (
        ("dnf", "--assumeyes", "install", "gone-1-1.noarch", "libvirt-1:9.0-1.x86_64"),
        ("dnf", "--assumeyes", "remove", "fresh-1-1.noarch"),
    )


@pytest.mark.parametrize(
    ("facts", "force", "nodeps"),
    [(DEBIAN, ("--nodeps", "--force"), ("--nodeps",)), (PLAIN, ("--force",), ())],
)
def test_rpm_takes_the_files_that_are_kept_on_the_host(
    facts: HostFacts, force: tuple[str, ...], nodeps: tuple[str, ...]
) -> None:
    assert rollback_commands(facts, BEFORE, NOW, KEPT) == (
        ("rpm", "-Uvh", *force, "--oldpackage", KEPT[1], KEPT[0]),
        ("rpm", "-e", *nodeps, "fresh-1-1.noarch"),
    )


def test_a_package_that_cannot_be_had_again_is_named() -> None:
    with pytest.raises(UsageError, match=r"gone-1-1.noarch cannot be had again"):
        rollback_commands(PLAIN, BEFORE, NOW, KEPT[:1])


def test_nothing_is_done_when_nothing_changed() -> None:
    assert rollback_commands(SUSE, NOW, NOW) == ()
