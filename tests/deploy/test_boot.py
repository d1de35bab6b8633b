"""Booting a host anew, on one that answers by script."""

from __future__ import annotations

import pytest

from ci.deadline import Deadline
from ci.deploy.boot import REBOOT, ask_for_reboot, boot_id, choose_once
from ci.deploy.sshhost import SshHost
from ci.errors import InfraError, UsageError
from tests.fakes import FakeShell, failed


def soon() -> Deadline:
    return Deadline.after(9)


def test_an_entry_of_the_menu_is_chosen_for_one_boot() -> None:
    shell = FakeShell({("sh", "-c"): ""})
    choose_once(shell, "Debian GNU/Linux, with Xen", soon())
    assert shell.commands[0][-1] == "Debian GNU/Linux, with Xen"
    assert "grub-reboot" in shell.commands[0][2]


def test_a_host_without_grub_is_named() -> None:
    shell = FakeShell({("sh", "-c"): failed(127, "no grub here")}, where="h1")
    with pytest.raises(UsageError, match='h1 cannot be told to boot "Xen" once') as caught:
        choose_once(shell, "Xen", soon())
    assert caught.value.detail == "no grub here"


def test_a_connection_that_goes_down_with_the_host_is_no_error() -> None:
    shell = FakeShell({("sh", "-c"): InfraError("the SSH connection broke")})
    ask_for_reboot(shell, REBOOT, soon())
    assert shell.ran("sh", "-c")


def test_a_host_that_does_not_tell_its_boot_id_is_a_lab_error() -> None:
    with pytest.raises(InfraError, match="h1 does not tell its boot id"):
        boot_id(FakeShell({("cat",): ""}, where="h1"), soon())


def test_the_boot_is_among_the_decided_lines() -> None:
    host = SshHost(name="h1", address="h1.example.org", boot_entry="Xen")
    assert 'boot it once into "Xen"' in host.decided()[0]
