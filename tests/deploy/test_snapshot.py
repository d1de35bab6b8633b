"""Snapshots where snapper looks after the root; nothing of it elsewhere."""

from __future__ import annotations

import pytest

from ci.deadline import Deadline
from ci.deploy.snapshot import has_root, rollback_command, snapshot_command, take_snapshot
from ci.errors import InfraError
from ci.shell import Argv
from tests.deploy.test_install import SUSE, host
from tests.fakes import FakeShell, failed

BTRFS = host("zypper", "rpm", "snapper")
LIST: Argv = ("snapper", "--machine-readable", "csv", "list-configs")
CONFIGS = "config,subvolume\nhome,/home\nroot,/\n"


def soon() -> Deadline:
    return Deadline.after(10)


def test_a_host_without_snapper_is_not_asked() -> None:
    assert take_snapshot(FakeShell({}), SUSE, "run", soon()) == 0


def test_snapper_that_does_not_look_after_the_root_takes_none() -> None:
    shell = FakeShell({LIST: "config,subvolume\nhome,/home\n"})
    assert take_snapshot(shell, BTRFS, "run", soon()) == 0
    assert not has_root("")


def test_the_number_of_the_snapshot_is_kept() -> None:
    shell = FakeShell({LIST: CONFIGS, snapshot_command("run"): "42\n"})
    assert take_snapshot(shell, BTRFS, "run", soon()) == 42


def test_a_snapshot_that_cannot_be_taken_stops_the_deployment_before_it_begins() -> None:
    shell = FakeShell({LIST: CONFIGS, snapshot_command("run"): failed(1, "no space")})
    with pytest.raises(InfraError, match="takes no snapshot") as caught:
        take_snapshot(shell, BTRFS, "run", soon())
    assert "no space" in caught.value.detail


def test_the_way_back_names_config_and_number() -> None:
    argv = rollback_command(42)
    assert argv[:4] == ("snapper", "--config", "root", "rollback")
    assert argv[-1] == "42"
