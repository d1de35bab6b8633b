"""Logging in to a real sshd: host keys, client keys, and what is said when it fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.deadline import Deadline
from ci.deploy.sshshell import SshShell
from ci.errors import InfraError, UsageError
from tests.sshd import Sshd, free_port, make_key, trust

pytestmark = pytest.mark.real


def soon(seconds: float = 60.0) -> Deadline:
    return Deadline.after(seconds)


def test_an_unknown_host_key_is_refused_and_shown(shared_sshd: Sshd, tmp_path: Path) -> None:
    trust(tmp_path, free_port(), shared_sshd.folder / "host_key")
    target = shared_sshd.target(known_hosts=str(tmp_path / "known_hosts"))
    with pytest.raises(UsageError, match="is not in") as caught:
        SshShell(target).run(("true",), soon())
    assert "ssh-ed25519 key SHA256:" in caught.value.hint


def test_a_changed_host_key_is_refused(shared_sshd: Sshd, tmp_path: Path) -> None:
    trust(tmp_path, shared_sshd.port, make_key(tmp_path / "former"))
    target = shared_sshd.target(known_hosts=str(tmp_path / "known_hosts"))
    with pytest.raises(InfraError, match="has changed; nothing was sent") as caught:
        SshShell(target).run(("true",), soon())
    assert "ssh-keygen -f" in caught.value.hint


def test_a_host_key_of_another_algorithm_counts_as_changed(
    shared_sshd: Sshd, tmp_path: Path
) -> None:
    trust(tmp_path, shared_sshd.port, make_key(tmp_path / "former", kind="ecdsa"))
    target = shared_sshd.target(known_hosts=str(tmp_path / "known_hosts"))
    with pytest.raises(InfraError, match="has changed"):
        SshShell(target).run(("true",), soon())


def test_a_missing_known_hosts_file_is_named(shared_sshd: Sshd) -> None:
    with pytest.raises(UsageError, match=r"known_hosts file .*nowhere cannot be read"):
        SshShell(shared_sshd.target(known_hosts="nowhere")).run(("true",), soon())


def test_a_wrong_client_key_is_refused(shared_sshd: Sshd, tmp_path: Path) -> None:
    target = shared_sshd.target(key=str(make_key(tmp_path / "stranger")))
    with pytest.raises(UsageError, match=r"does not accept the key .*stranger") as caught:
        SshShell(target).run(("true",), soon())
    assert caught.value.hint.startswith("ssh-copy-id -i")


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: make_key(path, passphrase="correct horse"), "protected by a passphrase"),
        (lambda path: path.write_text("no key"), "not a private key that is understood"),
        (lambda path: None, "cannot be read: No such file"),
    ],
    ids=["passphrase", "no-key", "missing"],
)
def test_a_key_that_cannot_be_used_is_named(
    shared_sshd: Sshd, tmp_path: Path, make: object, sentence: str
) -> None:
    assert callable(make)
    make(tmp_path / "key")
    with pytest.raises(UsageError, match=sentence):
        SshShell(shared_sshd.target(key=str(tmp_path / "key"))).run(("true",), soon())


def test_a_port_where_nothing_listens_is_named(shared_sshd: Sshd) -> None:
    target = shared_sshd.target()
    port = free_port()
    trust(shared_sshd.folder, port, shared_sshd.folder / "host_key", "other_known_hosts")
    dead = type(target)(
        name="dead",
        address=target.address,
        port=port,
        key=target.key,
        known_hosts=str(shared_sshd.folder / "other_known_hosts"),
    )
    with pytest.raises(InfraError, match=f"dead: nothing listens on 127.0.0.1 port {port}"):
        SshShell(dead).run(("true",), soon())
