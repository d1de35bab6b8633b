"""Hosts behind another one, with two real sshds: commands, files, ssh itself, and what fails."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from ci.deadline import Deadline
from ci.deploy.pool import load_hosts
from ci.deploy.ssh_errors import SshTarget
from ci.deploy.sshshell import SshShell
from ci.errors import InfraError, UsageError
from ci.model import Access, Jump
from ci.ssh_uri import ssh_argv, write_ssh_command
from tests.sshd import Sshd, descendants, free_port, running_sshd

pytestmark = pytest.mark.real


def soon() -> Deadline:
    return Deadline.after(60)


def jump(outer: Sshd, **changes: object) -> Jump:
    target = outer.target()
    plain = Jump(
        address=target.address,
        port=target.port,
        user=target.user,
        key=target.key,
        known_hosts=target.known_hosts,
    )
    return msgspec.structs.replace(plain, **changes)


@pytest.fixture
def behind(own_sshd: Sshd, shared_sshd: Sshd) -> SshTarget:
    """The server of this test, seen from the one of all tests."""
    return msgspec.structs.replace(own_sshd.target(), name="inner", through=jump(shared_sshd))


def test_commands_and_files_go_through_and_nothing_stays_open(
    behind: SshTarget, shared_sshd: Sshd, own_sshd: Sshd, tmp_path: Path
) -> None:
    before = set(descendants(shared_sshd.process.pid))
    big = tmp_path / "big"
    big.write_bytes(bytes(3_000_000))
    with contextlib.closing(SshShell(behind)) as shell:
        done = shell.run(("sh", "-c", "echo $SSH_CONNECTION"), soon())
        assert done.stdout.split()[3] == str(own_sshd.port)
        assert shell.put(big, str(tmp_path / "there"), soon())
        assert set(descendants(shared_sshd.process.pid)) - before
    assert (tmp_path / "there").stat().st_size == 3_000_000
    until = time.monotonic() + 20
    while set(descendants(shared_sshd.process.pid)) - before:
        assert time.monotonic() < until, "the connection to the host in between stayed open"
        time.sleep(0.05)


def test_ssh_itself_and_our_script_for_libvirt_go_the_same_way(
    behind: SshTarget, own_sshd: Sshd, tmp_path: Path
) -> None:
    odd = tmp_path / "a b%c"
    odd.mkdir()
    access = Access(
        name="inner", address=behind.address, port=behind.port, user=behind.user, key=behind.key,
        known_hosts=behind.known_hosts, hypervisor="test", uri="", boot_id="",
        through=behind.through,
    )  # fmt: skip
    script = write_ssh_command(
        odd, key=behind.key, known_hosts=behind.known_hosts, through=behind.through
    )
    where = ("-p", str(behind.port), f"{behind.user}@{behind.address}", "echo $SSH_CONNECTION")
    for argv in (ssh_argv(access, "echo $SSH_CONNECTION"), (str(script), *where)):
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
        assert done.stdout.split()[3] == str(own_sshd.port)


def test_a_host_in_between_whose_key_is_not_known_is_not_talked_to(
    behind: SshTarget, shared_sshd: Sshd, tmp_path: Path
) -> None:
    (tmp_path / "empty").touch()
    strange = jump(shared_sshd, known_hosts=str(tmp_path / "empty"))
    shell = SshShell(msgspec.structs.replace(behind, through=strange))
    with pytest.raises(UsageError, match=r"in front of inner.*is not in .*empty"):
        shell.run(("true",), soon())


def test_a_host_behind_that_is_down_is_told_with_the_host_in_between(behind: SshTarget) -> None:
    port = free_port()
    shell = SshShell(msgspec.structs.replace(behind, port=port))
    with pytest.raises(InfraError, match=f"nothing listens on 127.0.0.1 port {port} of 127.0.0.1"):
        shell.run(("true",), soon())


@pytest.fixture
def closed_sshd(tmp_path: Path) -> Iterator[Sshd]:
    folder = tmp_path / "closed"
    folder.mkdir()
    yield from running_sshd(folder, more="AllowTcpForwarding no\n")


def test_a_host_in_between_that_forwards_nothing_says_what_it_needs(
    behind: SshTarget, closed_sshd: Sshd
) -> None:
    shell = SshShell(msgspec.structs.replace(behind, through=jump(closed_sshd)))
    with pytest.raises(UsageError, match="does not forward") as caught:
        shell.run(("true",), soon())
    assert "AllowTcpForwarding" in caught.value.hint


def test_a_hosts_file_names_the_host_in_between_with_files_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "hosts.toml"
    path.write_text(
        '[[hosts]]\nname = "lab1"\naddress = "10.0.0.7"\n'
        '[hosts.through]\naddress = "gate"\nkey = "keys/gate"\nknown_hosts = "gate_hosts"\n'
    )
    target = load_hosts(path)[0].ssh(Path()).target("k")
    assert target.through is not None
    assert target.through.key == str(tmp_path / "keys/gate")
    assert target.through.known_hosts == str(tmp_path / "gate_hosts")
