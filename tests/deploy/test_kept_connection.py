"""One connection that threads share: dropped, hung, cut, and opened again."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ci.deadline import Deadline
from ci.deploy.sshshell import SshShell
from ci.errors import InfraError, TimedOut
from tests.cable import a_cable
from tests.sshd import Sshd, start_sshd

pytestmark = pytest.mark.real


def soon(seconds: float = 60.0) -> Deadline:
    return Deadline.after(seconds)


def test_threads_share_one_connection(ssh: SshShell, shared_sshd: Sshd) -> None:
    ssh.run(("true",), soon())  # over a connection of its own, or one that was left idle
    before = shared_sshd.log.count("Accepted publickey")
    with ThreadPoolExecutor(20) as pool:
        texts = list(pool.map(lambda n: ssh.run(("echo", str(n)), soon()).stdout, range(200)))
    assert texts == [f"{n}\n" for n in range(200)]
    assert shared_sshd.log.count("Accepted publickey") == before


def test_a_dropped_connection_fails_its_command_and_serves_the_next(
    own_sshd: Sshd, tmp_path: Path
) -> None:
    count = tmp_path / "count"
    with SshShell(own_sshd.target()) as shell:
        threading.Timer(0.7, own_sshd.drop_connections).start()
        script = f"echo ran >> {count}; sleep 30"
        with pytest.raises(InfraError, match="the SSH connection to loopback broke during"):
            shell.run(("sh", "-c", script), soon())
        assert shell.run(("echo", "again"), soon()).stdout == "again\n"
    assert count.read_text() == "ran\n"


def test_a_connection_that_dropped_while_idle_is_opened_again(own_sshd: Sshd) -> None:
    with SshShell(own_sshd.target()) as shell:
        shell.run(("true",), soon())
        own_sshd.drop_connections()
        assert shell.run(("echo", "again"), soon()).stdout == "again\n"


def test_threads_that_find_the_connection_dropped_share_the_next_one(own_sshd: Sshd) -> None:
    with SshShell(own_sshd.target()) as shell:
        shell.run(("true",), soon())
        own_sshd.drop_connections()
        with ThreadPoolExecutor(6) as pool:
            texts = list(pool.map(lambda n: shell.run(("echo", str(n)), soon()).stdout, range(6)))
    assert texts == [f"{n}\n" for n in range(6)]
    assert own_sshd.log.count("Accepted publickey") == 2


def test_a_server_that_hangs_is_left_at_the_deadline(own_sshd: Sshd) -> None:
    with SshShell(own_sshd.target()) as shell:
        shell.run(("true",), soon())
        own_sshd.freeze()
        with pytest.raises(TimedOut, match="true on loopback: no answer in time"):
            shell.run(("true",), soon(1))
        with (
            SshShell(own_sshd.target()) as other,
            pytest.raises(TimedOut, match=r"no SSH answer from 127.0.0.1 port \d+ in time"),
        ):
            other.run(("true",), soon(1))
        own_sshd.thaw()
        assert shell.run(("true",), soon()).ok


@pytest.mark.faults
def test_a_network_that_is_cut_ends_a_command_long_before_its_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ci.deploy.ssh.DEAD_AFTER_MS", 3000)
    monkeypatch.setattr("ci.deploy.ssh.KEEPALIVE_SECONDS", 1)
    with a_cable() as cable:
        server = start_sshd(tmp_path, cable=cable)
        try:
            with SshShell(server.target()) as shell:
                shell.run(("true",), soon())
                threading.Timer(0.5, cable.cut).start()
                deadline = soon(300)
                with pytest.raises(InfraError, match="the SSH connection to loopback broke"):
                    shell.run(("sleep", "1000"), deadline)
                assert deadline.remaining() > 200
                with pytest.raises(InfraError, match=r"^loopback: "):
                    shell.run(("true",), soon(5))
        finally:
            server.stop()
