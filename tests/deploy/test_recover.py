"""The ladder on a host that is a real sshd: what helps, what is skipped, whose fault it was."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci.codec import from_json
from ci.deadline import Deadline
from ci.deploy.health import Health
from ci.deploy.pool import load_hosts
from ci.deploy.recover import RUNG_SECONDS, Ladder, Recovery, blame_for, console_of, recover
from ci.deploy.sshshell import SshShell
from tests.deploy.hosts import FakeMachine, a_machine

PANIC = "[ 12.0] Kernel panic - not syncing: sysrq triggered crash\n"


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RUNG_SECONDS, "wait", 4.0)
    monkeypatch.setattr("ci.deploy.recover.LOOK_SECONDS", 4.0)
    monkeypatch.setattr("ci.deploy.recover.EVIDENCE_SECONDS", 6.0)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[FakeMachine]:
    with a_machine(tmp_path, "one") as made:
        yield made


def climbed(
    machine: FakeMachine, tmp_path: Path, *, more: str = "", seconds: float = 60
) -> Recovery:
    path = tmp_path / "hosts.toml"
    path.write_text(machine.entry(more=more))
    host = load_hosts(path)[0]
    with SshShell(host.ssh(Path()).target()) as shell:
        ladder = Ladder(
            host=host,
            shell=shell,
            folder=tmp_path / "recovery",
            deadline=Deadline.after(seconds),
            say=print,
        )
        return recover(ladder)


@pytest.mark.real
def test_a_host_that_is_well_is_left_alone(machine: FakeMachine, tmp_path: Path) -> None:
    recovery = climbed(machine, tmp_path)
    assert (recovery.healthy, recovery.rungs, recovery.blame) == (True, (), "")


@pytest.mark.real
@pytest.mark.faults
def test_a_host_whose_sshd_hangs_is_waited_for_then_cycled(
    machine: FakeMachine, tmp_path: Path
) -> None:
    """The power switch is a command of the user's; here it lets the frozen server go on."""
    pids = [machine.sshd.process.pid]
    machine.sshd.freeze()
    script = tmp_path / "cycle.py"
    script.write_text(f"import os\nfor pid in {pids}: os.kill(pid, 18)\n")
    power = f'[hosts.power]\nkind = "command"\ncycle = ["{sys.executable}", "{script}"]'
    recovery = climbed(machine, tmp_path, more=power, seconds=300)
    assert [(rung.name, rung.helped) for rung in recovery.rungs] == [
        ("wait", False),
        ("power-cycle", True),
    ]
    assert (recovery.healthy, recovery.blame) == (True, "lab")
    assert (tmp_path / "recovery/1-wait").is_dir()
    written = from_json((tmp_path / "recovery/recovery.json").read_bytes(), Recovery)
    assert written == recovery


@pytest.mark.real
@pytest.mark.faults
def test_a_host_without_any_switch_stays_down_and_says_so(
    machine: FakeMachine, tmp_path: Path
) -> None:
    machine.sshd.stop()
    recovery = climbed(machine, tmp_path, seconds=120)
    assert not recovery.healthy
    assert "nothing listens" in recovery.why
    said = {rung.name: rung.said for rung in recovery.rungs}
    assert said["power-cycle"] == "one has no power switch in the hosts file"
    assert said["reprovision"] == "one has no reprovision command in the hosts file"


@pytest.mark.parametrize(
    ("facts", "console", "blame"),
    [
        ({"kernel": "6.1"}, "", "product"),
        ({}, PANIC, "product"),
        ({}, "[ 1.0] all is well\n", "lab"),
    ],
)
def test_the_console_and_the_answers_tell_whose_fault_it_is(
    facts: dict[str, str], console: str, blame: str
) -> None:
    assert blame_for(Health(host="h1", problems=("sick",), facts=facts), console) == blame


def test_a_console_that_was_not_recorded_is_empty(tmp_path: Path) -> None:
    (tmp_path / "console").write_text(PANIC)
    assert console_of(str(tmp_path / "console")) == PANIC
    assert console_of(str(tmp_path / "missing")) == console_of("") == ""
