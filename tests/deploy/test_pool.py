"""Hosts of a file, over real SSH: surveyed, leased, identified, given back."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci.deadline import Deadline
from ci.deploy import strikes
from ci.deploy.choose import health_of, lease_one, survey
from ci.deploy.heartbeat import Heartbeat
from ci.deploy.identity import check_identity, enter_machine_id, trust_key
from ci.deploy.lease import FencedShell, Leases
from ci.deploy.pool import HostsFile, load_hosts, named
from ci.deploy.poolhost import PoolHost
from ci.deploy.ssh import offered_key
from ci.deploy.ssh_errors import target_of
from ci.deploy.sshshell import SshShell
from ci.errors import InfraError, TimedOut, UsageError
from ci.run import Step
from ci.shell import LocalShell
from tests.deploy.hosts import FakeMachine, a_machine

pytestmark = pytest.mark.real


def soon(seconds: float = 60.0) -> Deadline:
    return Deadline.after(seconds)


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FakeMachine, FakeMachine]]:
    folder = tmp_path_factory.mktemp("machines")
    with a_machine(folder, "one") as one, a_machine(folder, "two") as two:
        yield one, two


@pytest.fixture
def hosts_file(machines: tuple[FakeMachine, FakeMachine], tmp_path: Path) -> Path:
    one, two = machines
    for machine in machines:
        for path in machine.state.rglob("*"):
            if path.is_file():
                path.unlink()
    path = tmp_path / "hosts.toml"
    path.write_text(one.entry(more='labels = ["fast"]') + two.entry(more='labels = ["slow"]'))
    return path


def step_in(folder: Path, seconds: float = 60.0) -> Step:
    own = folder / "run7" / "hosts"
    own.mkdir(parents=True, exist_ok=True)
    return Step("hosts", LocalShell(), soon(seconds), own, folder / "run7")


def why_not(hosts_file: Path, require: str = "") -> dict[str, str]:
    found = survey(load_hosts(hosts_file), require, hosts_file, soon())
    return {each.host.name: each.why_not for each in found}


def test_hosts_are_surveyed_and_measured(hosts_file: Path) -> None:
    found = survey(load_hosts(hosts_file), "", hosts_file, soon())
    assert [each.why_not for each in found] == ["", ""]
    facts = found[0].health.facts
    assert facts["machine_id"].startswith("one0")
    assert {"cpus", "memory", "kernel", "libvirt", "free", "boot_id"} <= set(facts)


def test_labels_and_facts_select(hosts_file: Path) -> None:
    assert why_not(hosts_file, "fast & memory>=100MiB & cpus>=1") == {
        "one": "",
        "two": "does not fit the requirement",
    }


def test_a_pool_host_is_leased_kept_and_given_back(hosts_file: Path, tmp_path: Path) -> None:
    pool = PoolHost(name="any", file=str(hosts_file), require="slow", lease_seconds=20)
    access = pool.acquire(step_in(tmp_path))
    assert (access.name, access.lease) == ("two", 1)
    with SshShell(target_of(access)) as shell:
        held = Leases(shell).holder(soon())
        assert held is not None
        assert held.purpose == "run7"
        assert FencedShell(shell, access.lease).run(("true",), soon()).ok
        assert pool.still_up(access, soon())
        pool.release(access, soon())
        assert Leases(shell).holder(soon()) is None
        assert not pool.still_up(access, soon())


def test_the_heartbeat_outlives_the_time_to_live(hosts_file: Path, tmp_path: Path) -> None:
    target = named(load_hosts(hosts_file), "one").ssh(Path()).target()
    with SshShell(target) as shell:
        leases = Leases(shell)
        got = leases.steal(owner="ann", purpose="", seconds=4, deadline=soon())
        heartbeat = Heartbeat(target, got.token, 4)
        time.sleep(7)
        held = leases.holder(soon())
        heartbeat.stop()
        assert held is not None
        assert heartbeat.beats >= 3


def test_the_other_host_is_taken_when_one_is_held(hosts_file: Path, tmp_path: Path) -> None:
    first = PoolHost(name="a", file=str(hosts_file)).acquire(step_in(tmp_path))
    second = PoolHost(name="b", file=str(hosts_file)).acquire(step_in(tmp_path / "b"))
    assert {first.name, second.name} == {"one", "two"}
    for access in (first, second):
        PoolHost(name="a", file=str(hosts_file)).release(access, soon())


def test_waiting_tells_who_holds_the_host_and_ends_in_time(hosts_file: Path) -> None:
    found = survey(load_hosts(hosts_file), "fast", hosts_file, soon())
    _, lease = lease_one(found, purpose="mine", seconds=60, deadline=soon(), say=print)
    said: list[str] = []
    with pytest.raises(TimedOut, match="no host of the pool became free in time"):
        lease_one(found, purpose="other", seconds=60, deadline=soon(1), say=said.append)
    assert any("held by" in line and "for mine" in line for line in said)
    target = named(load_hosts(hosts_file), "one").ssh(Path()).target()
    with SshShell(target) as shell:
        leases = Leases(shell)
        leases.release(lease.token, soon())
        assert lease_one(found, purpose="next", seconds=60, deadline=soon(), say=print)


def test_who_waits_gets_the_host_when_it_is_given_back(hosts_file: Path) -> None:
    found = survey(load_hosts(hosts_file), "fast", hosts_file, soon())
    host, lease = lease_one(found, purpose="mine", seconds=60, deadline=soon(), say=print)

    def give_back() -> None:
        with SshShell(host.ssh(Path()).target()) as shell:
            Leases(shell).release(lease.token, soon())

    timer = threading.Timer(1.5, give_back)
    timer.start()
    _, won = lease_one(found, purpose="waiting", seconds=60, deadline=soon(), say=print)
    timer.join()
    assert won.token == lease.token + 1


def test_another_machine_than_enrolled_is_not_touched(
    hosts_file: Path, machines: tuple[FakeMachine, FakeMachine], tmp_path: Path
) -> None:
    hosts_file.write_text(hosts_file.read_text().replace(machines[0].machine_id, "f" * 32))
    with pytest.raises(InfraError, match="one is another machine than was enrolled"):
        PoolHost(name="a", file=str(hosts_file), require="fast").acquire(step_in(tmp_path))
    target = named(load_hosts(hosts_file), "one").ssh(Path()).target()
    with SshShell(target) as shell:
        assert Leases(shell).holder(soon()) is None


def test_a_host_that_was_never_enrolled_is_refused(
    machines: tuple[FakeMachine, FakeMachine], tmp_path: Path
) -> None:
    path = tmp_path / "hosts.toml"
    path.write_text(machines[0].entry(enrolled=False))
    host = load_hosts(path)[0]
    with SshShell(host.ssh(Path()).target()) as shell:
        with pytest.raises(UsageError, match="one was never enrolled") as caught:
            check_identity(shell, host, soon())
        assert caught.value.hint == "virtci hosts enroll one"
        enter_machine_id(path, "one", machines[0].machine_id)
        check_identity(shell, load_hosts(path)[0], soon())


def test_a_key_is_shown_to_strangers_and_trusted_once(
    machines: tuple[FakeMachine, FakeMachine], tmp_path: Path
) -> None:
    target = machines[0].sshd.target(known_hosts=str(tmp_path / "new/known_hosts"))
    key, fingerprint = offered_key(target, soon())
    assert key.split() == (machines[0].sshd.folder / "host_key.pub").read_text().split()[:2]
    assert fingerprint.startswith("SHA256:")
    trust_key(target, "ssh-ed25519 AAAAformer")
    trust_key(target, key)
    with SshShell(target) as shell:
        assert shell.run(("true",), soon()).ok


def test_three_strikes_put_a_host_aside_until_a_person_says_otherwise(
    hosts_file: Path, machines: tuple[FakeMachine, FakeMachine]
) -> None:
    text = hosts_file.read_text()
    hosts_file.write_text(text.replace(f"port = {machines[0].sshd.port}", "port = 1"))
    for _ in range(3):
        assert why_not(hosts_file)["one"].startswith("sick: one: ")
    hosts_file.write_text(text)
    assert why_not(hosts_file)["one"].startswith("quarantined: one: ")
    strikes.pardon(hosts_file, "one")
    assert why_not(hosts_file)["one"] == ""


def test_a_host_that_is_well_again_loses_its_strikes(tmp_path: Path) -> None:
    path = tmp_path / "hosts.toml"
    for _ in range(2):
        strikes.strike(path, "one", "sick", at=1.0)
    strikes.well(path, "one")
    assert not strikes.strike(path, "one", "sick", at=2.0).quarantined


def test_when_no_host_fits_each_says_why(hosts_file: Path, tmp_path: Path) -> None:
    with pytest.raises(InfraError, match="no host of the pool fits") as caught:
        PoolHost(name="a", file=str(hosts_file), require="huge").acquire(step_in(tmp_path))
    assert caught.value.detail.count("does not fit the requirement") == 2


def test_a_hosts_file_is_read_strictly(tmp_path: Path) -> None:
    path = tmp_path / "hosts.toml"
    path.write_text('[[hosts]]\nname = "a"\naddress = "b"\nlabel = ["x"]\n')
    with pytest.raises(UsageError, match=r'hosts.toml:4: .*unknown key; did you mean "labels"'):
        load_hosts(path)
    path.write_text('[[hosts]]\nname = "a"\naddress = "b"\n' * 2)
    with pytest.raises(UsageError, match='two hosts are named "a"'):
        load_hosts(path)
    path.write_text('[[hosts]]\nname = "a"\naddress = "b"\n[hosts.power]\nkind = "impi"\n')
    with pytest.raises(UsageError, match='did you mean "ipmi"'):
        load_hosts(path)
    assert HostsFile(hosts=()).hosts == ()


def test_what_the_user_lacks_is_not_held_against_a_host(hosts_file: Path) -> None:
    text = re.sub(r'key = "[^"]*"', 'key = "nowhere"', hosts_file.read_text())
    hosts_file.write_text(text)
    for _ in range(strikes.STRIKES + 1):
        said = why_not(hosts_file)
    assert all(why.startswith("not looked at: ") and "nowhere" in why for why in said.values())
    assert strikes.standings(hosts_file) == {}
    with pytest.raises(UsageError, match="nowhere"):
        health_of(named(load_hosts(hosts_file), "one"), soon())


def test_a_look_that_does_not_count_leaves_no_strike(hosts_file: Path) -> None:
    hosts_file.write_text(re.sub(r"port = \d+", "port = 1", hosts_file.read_text()))
    for _ in range(strikes.STRIKES + 1):
        found = survey(load_hosts(hosts_file), "", hosts_file, soon(), counts=False)
    assert all(each.why_not.startswith("sick: ") for each in found)
    assert strikes.standings(hosts_file) == {}
    why_not(hosts_file)
    assert [len(one.strikes) for one in strikes.standings(hosts_file).values()] == [1, 1]
