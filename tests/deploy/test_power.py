"""Power switches: what is run, and that no secret is an argument."""

from __future__ import annotations

import pytest

from ci.deadline import Deadline
from ci.deploy.power import (
    CommandPower,
    FencePower,
    IpmiPower,
    LibvirtPower,
    Power,
    switch_power,
)
from ci.errors import InfraError, UsageError
from tests.fakes import FakeShell, failed


def test_a_bmc_is_switched_with_its_password_in_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LAB_BMC", "s3cret")
    switch = IpmiPower(address="192.0.2.9", user="ci", password_env="LAB_BMC").switch("cycle")
    assert switch.argv[-3:] == ("chassis", "power", "cycle")
    assert "s3cret" not in " ".join(switch.argv)
    assert switch.env == {"IPMI_PASSWORD": "s3cret"}


def test_a_password_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAB_BMC", raising=False)
    with pytest.raises(UsageError, match="LAB_BMC with the password is not set"):
        IpmiPower(address="192.0.2.9", password_env="LAB_BMC").switch("on")


def test_a_fence_agent_reads_everything_from_its_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FENCE", "s3cret")
    power = FencePower(agent="fence_apc", options={"ip": "192.0.2.1"}, password_env="FENCE")
    switch = power.switch("cycle")
    assert switch.argv == ("fence_apc",)
    assert switch.stdin == "ip=192.0.2.1\npassword=s3cret\naction=reboot\n"


def test_a_virtual_machine_is_switched_through_its_outer_host() -> None:
    argv = LibvirtPower(uri="qemu+ssh://outer/system", domain="lab1").switch("cycle").argv
    assert argv == ("virsh", "-c", "qemu+ssh://outer/system", "reset", "lab1")


def test_a_command_that_is_missing_is_named() -> None:
    with pytest.raises(UsageError, match='no command for "cycle"') as caught:
        CommandPower(on=("on",)).switch("cycle")
    assert "power.cycle" in caught.value.hint


@pytest.mark.parametrize(
    ("shell", "words"),
    [
        (FakeShell({("ctl",): failed(1, "no such outlet")}), "ctl ended with status 1"),
        (FakeShell({("ctl",): failed(127)}), "ctl is not installed here"),
    ],
)
def test_a_switch_that_refuses_is_a_lab_error(shell: FakeShell, words: str) -> None:
    power: Power = CommandPower(cycle=("ctl", "7"))
    with pytest.raises(InfraError, match=words):
        switch_power(shell, power, "cycle", Deadline.after(9))


def test_the_console_is_where_the_power_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IPMI_PASSWORD", "s3cret")
    assert IpmiPower(address="192.0.2.9").console().argv[-2:] == ("sol", "activate")
    assert LibvirtPower(uri="qemu:///system", domain="d").console().argv[-2:] == ("--force", "d")
    with pytest.raises(UsageError, match="no command for its console"):
        CommandPower().console()
    with pytest.raises(UsageError, match="no console"):
        FencePower(agent="fence_apc").console()
