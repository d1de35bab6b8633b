"""Leases on a host, over a real sshd; the script that keeps them is the real one."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ci.deadline import Deadline
from ci.deploy.lease import FencedShell, Lease, Leases, Waiting, parse_lease, word
from ci.deploy.sshshell import SshShell
from ci.errors import InfraError, UsageError
from ci.shell import LocalShell
from tests.sshd import Sshd

pytestmark = pytest.mark.real


def soon(seconds: float = 60.0) -> Deadline:
    return Deadline.after(seconds)


@pytest.fixture
def leases(ssh: SshShell, tmp_path: Path) -> Leases:
    return Leases(ssh, str(tmp_path / "lease"))


def take(leases: Leases, owner: str, *, seconds: int = 100, ticket: int = 0) -> Lease | Waiting:
    return leases.ask(
        owner=owner, purpose="a test run", seconds=seconds, deadline=soon(), ticket=ticket
    )


def taken(leases: Leases, owner: str, *, seconds: int = 100, ticket: int = 0) -> Lease:
    answer = take(leases, owner, seconds=seconds, ticket=ticket)
    assert isinstance(answer, Lease)
    return answer


def refused(leases: Leases, owner: str, *, ticket: int = 0) -> Waiting:
    answer = take(leases, owner, ticket=ticket)
    assert isinstance(answer, Waiting)
    return answer


def same(one: Lease | None, other: Lease) -> bool:
    """Time passes between two looks at a lease."""
    return one is not None and (one.token, one.owner, one.purpose) == (
        other.token,
        other.owner,
        other.purpose,
    )


def test_a_free_host_is_leased_and_says_to_whom(leases: Leases) -> None:
    lease = taken(leases, "ann@laptop:1")
    assert (lease.owner, lease.purpose, lease.seconds_left) == ("ann@laptop:1", "a test run", 100)
    assert leases.log(soon())[-1].endswith("taken 1 ann@laptop:1 a test run")
    assert same(leases.holder(soon()), lease)


def test_a_held_host_is_refused_and_tells_who_holds_it(leases: Leases) -> None:
    held = taken(leases, "ann")
    waiting = refused(leases, "bob")
    assert waiting.holder is not None
    assert waiting.holder.token == held.token
    assert waiting.ahead == 0


def test_a_released_host_goes_to_who_came_first(leases: Leases) -> None:
    held = taken(leases, "ann")
    bob, eve = refused(leases, "bob"), refused(leases, "eve")
    assert (bob.ahead, eve.ahead) == (0, 1)
    leases.release(held.token, soon())
    assert refused(leases, "eve", ticket=eve.ticket).ahead == 1
    assert refused(leases, "new").ahead == 2
    assert taken(leases, "bob", ticket=bob.ticket).token == held.token + 1


def test_who_leaves_the_queue_holds_nobody_up(leases: Leases) -> None:
    held = taken(leases, "ann")
    bob, eve = refused(leases, "bob"), refused(leases, "eve")
    leases.leave(bob.ticket, soon())
    leases.release(held.token, soon())
    assert taken(leases, "eve", ticket=eve.ticket)


def test_who_stops_asking_loses_the_place(leases: Leases) -> None:
    held = taken(leases, "ann")
    gone, eve = refused(leases, "gone"), refused(leases, "eve")
    ticket = Path(leases.state, "queue", str(gone.ticket))
    boot, seen = ticket.read_text().split()
    ticket.write_text(f"{boot} {int(seen) - 61}\n")
    leases.release(held.token, soon())
    assert taken(leases, "eve", ticket=eve.ticket)


def test_a_lease_expires_when_its_owner_is_silent(leases: Leases) -> None:
    first = taken(leases, "dead", seconds=1)
    time.sleep(2.1)
    second = taken(leases, "ann")
    assert second.token > first.token
    assert any("expired 1 dead" in line for line in leases.log(soon()))


def test_a_heartbeat_keeps_a_lease(leases: Leases) -> None:
    lease = taken(leases, "ann", seconds=5)
    for _ in range(3):
        time.sleep(2)
        lease = leases.renew(lease.token, 5, soon())
    assert lease.owner == "ann"
    assert lease.purpose == "a test run"


def test_a_lost_lease_is_not_renewed_and_its_release_harms_nobody(leases: Leases) -> None:
    old = taken(leases, "ann")
    new = leases.steal(owner="eve", purpose="urgent", seconds=100, deadline=soon())
    with pytest.raises(InfraError, match="the lease of loopback is lost"):
        leases.renew(old.token, 100, soon())
    leases.release(old.token, soon())
    assert same(leases.holder(soon()), new)
    assert any("stolen 1 ann a test run by eve" in line for line in leases.log(soon()))


def test_a_command_with_an_old_token_does_nothing(
    leases: Leases, ssh: SshShell, tmp_path: Path
) -> None:
    lease = taken(leases, "ann")
    fenced = FencedShell(ssh, lease.token, state=leases.state)
    assert fenced.run(("echo", "it's ours"), soon()).stdout == "it's ours\n"
    assert fenced.run(("false",), soon()).status == 1
    leases.steal(owner="eve", purpose="urgent", seconds=100, deadline=soon())
    with pytest.raises(InfraError, match="nothing more is done to it"):
        fenced.run(("touch", str(tmp_path / "done")), soon())
    assert not (tmp_path / "done").exists()


def test_after_a_reboot_a_lease_has_its_whole_time_again(leases: Leases) -> None:
    lease = taken(leases, "ann")
    path = Path(leases.state, "lease")
    uptime = int(float(Path("/proc/uptime").read_text().split()[0]))
    token, _, _, _, rest = path.read_text().split(" ", 4)
    path.write_text(f"{token} another-boot 5 {uptime + 50} {rest}")
    held = leases.holder(soon())
    assert held is not None
    assert held.token == lease.token
    assert 40 < held.seconds_left <= 50


def test_a_lease_survives_a_torn_write(leases: Leases) -> None:
    lease = taken(leases, "ann")
    Path(leases.state, "lease.new").write_text("half a li")
    assert leases.renew(lease.token, 50, soon()).seconds_left == 50


def test_a_disk_that_takes_nothing_is_a_lab_error(ssh: SshShell, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InfraError, match="the lease of loopback cannot be read or written"):
        taken(Leases(ssh, str(tmp_path / "file/lease")), "ann")


def test_of_racing_lessees_one_wins_each_time(shared_sshd: Sshd, tmp_path: Path) -> None:
    """Two connections, two hundred rounds: never two winners, never a token twice."""
    state = str(tmp_path / "lease")
    tokens: list[int] = []
    with SshShell(shared_sshd.target()) as one, SshShell(shared_sshd.target()) as two:
        here = Leases(LocalShell(), state)
        racers = (Leases(one, state), Leases(two, state))
        barrier = threading.Barrier(2)

        def race(leases: Leases, owner: str) -> Lease | Waiting:
            barrier.wait(30)
            return take(leases, owner)

        with ThreadPoolExecutor(2) as pool:
            for _ in range(200):
                answers = list(pool.map(race, racers, ("ann", "bob")))
                (won,) = [answer for answer in answers if isinstance(answer, Lease)]
                (lost,) = [answer for answer in answers if isinstance(answer, Waiting)]
                here.leave(lost.ticket, soon())
                here.release(won.token, soon())
                tokens.append(won.token)
    assert tokens == list(range(1, 201))


HOLDER = """
import sys, time
from ci.deadline import Deadline
from ci.deploy.lease import Lease, Leases
from ci.shell import LocalShell
leases = Leases(LocalShell(), sys.argv[1])
lease = leases.ask(owner="victim", purpose="", seconds=2, deadline=Deadline.after(30))
assert isinstance(lease, Lease)
print("held", flush=True)
while True:
    time.sleep(0.5)
    leases.renew(lease.token, 2, Deadline.after(30))
"""


def test_a_lessee_killed_while_holding_frees_the_host(tmp_path: Path) -> None:
    state = str(tmp_path / "lease")
    leases = Leases(LocalShell(), state)
    victim = subprocess.Popen((sys.executable, "-c", HOLDER, state), stdout=subprocess.PIPE)
    assert victim.stdout is not None
    assert victim.stdout.readline() == b"held\n"
    time.sleep(2.5)
    ticket = refused(leases, "ann").ticket
    os.kill(victim.pid, 9)
    victim.wait()
    victim.stdout.close()
    time.sleep(3.1)
    assert taken(leases, "ann", ticket=ticket).token == 2


def test_an_owner_is_one_word() -> None:
    assert word("Ann Example <ann@example.org>") == "Ann-Example-ann@example.org"
    with pytest.raises(UsageError):
        word(" \n")


def test_a_purpose_may_be_empty() -> None:
    lease = parse_lease("lease 7 42 ann \n", "h1")
    assert lease is not None
    assert (lease.token, lease.owner, lease.purpose) == (7, "ann", "")
