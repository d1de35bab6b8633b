"""SSH options and URIs are decided by pure functions, and ssh itself accepts what they give."""

from __future__ import annotations

import subprocess
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from ci.ssh_uri import connection_uri, known_hosts_line, ssh_options, write_ssh_command


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
