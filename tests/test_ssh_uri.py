"""SSH options and URIs are decided by pure functions, and ssh itself accepts what they give."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from ci.model import Access
from ci.ssh_uri import (
    connection_uri,
    known_hosts_line,
    shared_ssh_argv,
    ssh_argv,
    ssh_options,
    write_ssh_command,
)
from tests.sshd import Sshd, running_sshd


def test_the_uri_names_driver_user_port_and_our_ssh() -> None:
    uri = connection_uri(
        "xen", user="root", address="127.0.0.1", port=2222, ssh_command=Path("/runs/a b&c/ssh")
    )
    parts = urlsplit(uri)
    assert parts.scheme == "xen+ssh"
    assert parts.netloc == "root@127.0.0.1:2222"
    assert parts.path == "/system"
    query = parse_qs(parts.query, strict_parsing=True)
    assert query["command"] == ["/runs/a b&c/ssh"]
    assert query["no_tty"] == ["1"]
    assert " " not in uri


def test_an_ipv6_address_is_bracketed_and_the_test_driver_has_its_own_path() -> None:
    uri = connection_uri("test", user="u", address="::1", port=22, ssh_command=Path("/s"))
    assert uri.startswith("test+ssh://u@[::1]:22/default?")


@pytest.mark.parametrize(("port", "name"), [(22, "host"), (2222, "[host]:2222")])
def test_a_known_host_is_named_with_its_port_unless_it_is_the_usual_one(
    port: int, name: str
) -> None:
    assert (
        known_hosts_line("host", port, "ssh-ed25519 AAAA me@there") == f"{name} ssh-ed25519 AAAA\n"
    )


@pytest.mark.real
def test_ssh_takes_the_options_as_meant(tmp_path: Path) -> None:
    odd = tmp_path / "with space % and percent"
    odd.mkdir()
    script = write_ssh_command(odd, key=str(odd / "key"), known_hosts=str(odd / "known"))
    shown = subprocess.run(
        (str(script), "-G", "-p", "2222", "somewhere"), capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert "stricthostkeychecking true" in shown
    assert "batchmode yes" in shown
    assert "identitiesonly yes" in shown
    assert any(line.startswith("identityfile") and "with space" in line for line in shown)
    assert "globalknownhostsfile /dev/null" in shown


def test_nothing_of_the_users_own_configuration_is_read() -> None:
    options = ssh_options(key="k", known_hosts="h")
    assert options[:2] == ("-F", "/dev/null")
    assert "StrictHostKeyChecking=yes" in options


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    folder = tmp_path / "sshd"
    folder.mkdir()
    yield from running_sshd(folder)


def access_to(sshd: Sshd, *, boot_id: str = "b1") -> Access:
    target = sshd.target()
    return Access(
        name="h", address=target.address, port=target.port, user=target.user, key=target.key,
        known_hosts=target.known_hosts, hypervisor="test", uri="", boot_id=boot_id,
    )  # fmt: skip


def connection(access: Access) -> str:
    """The connection that a command came over: the port at our end."""
    argv = shared_ssh_argv(access, "echo $SSH_CONNECTION")
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.split()[1]


@pytest.mark.real
def test_commands_of_one_boot_share_a_connection(sshd: Sshd) -> None:
    first = connection(access_to(sshd))
    assert connection(access_to(sshd)) == first
    assert connection(access_to(sshd, boot_id="b2")) != first


@pytest.mark.real
def test_a_shared_connection_that_dropped_is_made_anew(sshd: Sshd) -> None:
    first = connection(access_to(sshd))
    sshd.drop_connections()
    assert connection(access_to(sshd)) != first


@pytest.mark.real
def test_the_end_of_a_command_is_that_of_its_own(sshd: Sshd) -> None:
    for status in (0, 3, 255):
        argv = shared_ssh_argv(access_to(sshd), f"echo to stderr >&2; exit {status}")
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stderr) == (status, "to stderr\n")


def test_where_the_folder_of_sockets_is_another_users_nothing_is_shared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    access = Access(
        name="h", address="a", port=22, user="u", key="k", known_hosts="n", hypervisor="test",
        uri="", boot_id="",
    )  # fmt: skip
    with tempfile.TemporaryDirectory(dir="/tmp") as short:  # a test's own may be too long
        monkeypatch.setattr(tempfile, "tempdir", short)
        assert "ControlMaster=auto" in shared_ssh_argv(access, "true")
        Path(short, f"virtci-{os.getuid()}").chmod(0o755)
        assert shared_ssh_argv(access, "true") == ssh_argv(access, "true")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ("x" * 100)))
    assert shared_ssh_argv(access, "true") == ssh_argv(access, "true")
