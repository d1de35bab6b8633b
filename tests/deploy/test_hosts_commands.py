"""``virtci hosts`` as a person uses it, on two hosts of the tests' own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ci.__main__ import main
from ci.deploy.pool import load_hosts
from tests.deploy.hosts import FakeMachine, a_machine

pytestmark = pytest.mark.real
Virtci = Callable[..., str]


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[tuple[FakeMachine, FakeMachine]]:
    with a_machine(tmp_path, "one") as one, a_machine(tmp_path, "two") as two:
        yield one, two


@pytest.fixture
def hosts(
    machines: tuple[FakeMachine, FakeMachine],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Virtci:
    """``hosts("list")`` gives what it printed; ``status`` is the expected exit status."""
    path = tmp_path / "hosts.toml"
    path.write_text(machines[0].entry(more='labels = ["fast"]') + machines[1].entry())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")

    def run(*arguments: str, status: int = 0) -> str:
        with pytest.raises(SystemExit) as ended:
            main(("hosts", *arguments))
        captured = capfd.readouterr()
        assert ended.value.code == status, captured.err
        return captured.out + captured.err

    return run


def test_hosts_are_listed_with_state_and_facts(hosts: Virtci) -> None:
    first, second = hosts("list").splitlines()[1:]
    assert first.split()[:4] == ["one", "free", "test", "fast"]
    assert "libvirt=" in first
    assert second.startswith("two")


def test_a_host_is_leased_shown_and_released(hosts: Virtci) -> None:
    assert "token 1" in hosts("lease", "one", "--purpose", "a look")
    assert "a look" in hosts("list")
    assert "held by" in hosts("lease", "one", status=3)
    assert "taken 1" in hosts("show", "one")
    assert hosts("release", "one") == "one is free\n"
    assert hosts("release", "one") == "one was free\n"


def test_somebody_elses_lease_is_not_released_by_mistake(
    hosts: Virtci, machines: tuple[FakeMachine, FakeMachine]
) -> None:
    hosts("lease", "one")
    lease = machines[0].state / "lease/lease"
    fields = lease.read_text().split(" ")
    lease.write_text(" ".join((*fields[:4], "eve@elsewhere:1", *fields[5:])))
    refused = hosts("release", "one", status=2)
    assert "one is held by eve@elsewhere:1" in refused
    assert "--token 1" in refused
    assert "held by eve" in hosts("recover", "one", status=3)
    assert hosts("lease", "one", "--steal").startswith("one is leased to")


def test_a_sick_host_is_named_and_pardoned(
    hosts: Virtci, machines: tuple[FakeMachine, FakeMachine]
) -> None:
    machines[1].sshd.stop()
    for _ in range(3):
        told = hosts("check", status=3)
    assert "one: well" in told
    assert "two: sick: two: nothing listens" in told
    assert "two: quarantined" in hosts("check", status=3)
    assert hosts("pardon", "two") == "two may be leased again\n"


def test_a_host_that_this_user_cannot_look_at_is_not_called_unfit(
    hosts: Virtci, tmp_path: Path
) -> None:
    path = tmp_path / "hosts.toml"
    path.write_text(path.read_text().replace("client", "nowhere", 1))
    told = hosts("check", status=2)
    assert "one: not looked at: one: the key" in told
    assert "two: well" in told
    assert "virtci: not looked at: one" in told


def test_enrolling_shows_the_fingerprint_and_enters_key_and_machine(
    hosts: Virtci, machines: tuple[FakeMachine, FakeMachine], tmp_path: Path
) -> None:
    machine = machines[0]
    path = tmp_path / "hosts.toml"
    path.write_text("# ours\n" + machine.entry(enrolled=False, more='labels = ["x"] # why'))
    (machine.sshd.folder / "known_hosts").unlink()
    refused = hosts("enroll", "one", "--fingerprint", "SHA256:wrong", status=2)
    shown = refused.split("ssh-ed25519 ")[1].split()[0]
    assert "nothing was changed" in refused
    assert "is enrolled" in hosts("enroll", "one", "--fingerprint", shown)
    assert load_hosts(path)[0].machine_id == machine.machine_id
    assert '"x"] # why' in path.read_text()
    assert "one: well" in hosts("check")


def test_logs_are_gathered(hosts: Virtci, tmp_path: Path) -> None:
    hosts("logs", "one", "--into", str(tmp_path / "logs"))
    assert "MemTotal" in (tmp_path / "logs/memory.txt").read_text()


def test_power_is_switched_by_the_hosts_own_command(
    hosts: Virtci, machines: tuple[FakeMachine, FakeMachine], tmp_path: Path
) -> None:
    power = '[hosts.power]\nkind = "command"\nstatus = ["echo", "it is on"]'
    (tmp_path / "hosts.toml").write_text(machines[0].entry(more=power) + machines[1].entry())
    assert hosts("power", "one") == "it is on\n"
    assert "nothing a power switch does" in hosts("power", "one", "explode", status=2)
    assert "no power switch" in hosts("power", "two", status=2)


def test_a_way_back_needs_a_record_of_packages(hosts: Virtci, tmp_path: Path) -> None:
    assert "cannot be read" in hosts("rollback", "one", "nowhere.json", status=2)
    (tmp_path / "no.json").write_text("{}")
    told = hosts("rollback", "one", "no.json", status=2)
    assert "no.json is no packages.json" in told
    assert "deploy/<host>/packages.json" in told


def test_an_unknown_host_is_refused_with_those_there_are(hosts: Virtci) -> None:
    told = hosts("show", "three", status=2)
    assert 'no host is named "three"' in told
    assert "there are: one, two" in told
