"""A real sshd of the tests' own: loopback, an unprivileged port, its own keys; ended by its pid."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ci.deploy.ssh_errors import SshTarget
from ci.ssh_uri import known_hosts_line
from tests.cable import Cable
from tests.root import need_root

ADDRESS = "127.0.0.1"
START_SECONDS = 20.0


@dataclass
class Sshd:
    """A running server and the files of a client that may log in to it."""

    folder: Path
    port: int
    user: str
    process: subprocess.Popen[bytes]
    address: str = ADDRESS

    @property
    def log(self) -> str:
        return (self.folder / "sshd.log").read_text(errors="replace")

    def target(self, *, key: str = "client", known_hosts: str = "known_hosts") -> SshTarget:
        return SshTarget(
            name="loopback",
            address=self.address,
            port=self.port,
            user=self.user,
            key=str(self.folder / key),
            known_hosts=str(self.folder / known_hosts),
        )

    def drop_connections(self) -> None:
        """End every session's process, as a crashing host would, leaving the listener."""
        for pid in descendants(self.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def freeze(self) -> None:
        """Stop answering, with every connection open."""
        for pid in (*descendants(self.process.pid), self.process.pid):
            os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        for pid in (self.process.pid, *descendants(self.process.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def stop(self) -> None:
        self.thaw()
        self.drop_connections()
        self.process.terminate()
        self.process.wait(10)


def make_key(path: Path, *, passphrase: str = "", kind: str = "ed25519") -> Path:
    argv = ("ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "test", "-f", str(path))
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, timeout=30)
    return path


def public_half(path: Path) -> str:
    return path.with_name(path.name + ".pub").read_text()


def trust(
    folder: Path,
    port: int,
    host_key: Path,
    name: str = "known_hosts",
    *,
    address: str = ADDRESS,
) -> None:
    line = known_hosts_line(address, port, public_half(host_key))
    (folder / name).write_text(line)


def start_sshd(
    folder: Path,
    *,
    more: str = "",
    instead: Mapping[str, Path] | None = None,
    cable: Cable | None = None,
) -> Sshd:
    """Start a server in an empty folder. Fails with what to install when there is none.

    ``instead``: for its logins, these paths are other ones; ``cable``: it lives at the other
    end of it (both need root).
    """
    program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program, "these tests need a real sshd: apt-get install openssh-server"
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    host_key, client = make_key(folder / "host_key"), make_key(folder / "client")
    (folder / "authorized_keys").write_text(public_half(client))
    port = free_port()
    address = cable.address if cable else ADDRESS
    trust(folder, port, host_key, address=address)
    (folder / "sshd_config").write_text(_config(folder, address, port) + more)
    inside = cable.inside if cable else ()
    argv = (
        *inside,
        *_instead(instead or {}),
        program,
        "-D",
        "-e",
        "-f",
        str(folder / "sshd_config"),
    )
    with (folder / "sshd.log").open("wb") as log:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    user = os.environ.get("USER") or subprocess.check_output(("id", "-un"), text=True).strip()
    server = Sshd(folder, port, user, process, address)
    _wait_for(server)
    return server


def _instead(paths: Mapping[str, Path]) -> tuple[str, ...]:
    if not paths:
        return ()
    need_root("a host with folders of its own")
    script = 'while [ "$1" != -- ]; do mount --bind "$2" "$1" || exit 1; shift 2; done; shift; '
    pairs = (word for place, path in paths.items() for word in (place, str(path)))
    return ("unshare", "--mount", "sh", "-c", script + 'exec "$@"', "sh", *pairs, "--")


def _config(folder: Path, address: str, port: int) -> str:
    return f"""ListenAddress {address}:{port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
Subsystem sftp internal-sftp
SetEnv HOME={folder}
"""


def _wait_for(server: Sshd) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        with (
            contextlib.suppress(OSError),
            socket.create_connection((server.address, server.port), 1),
        ):
            return
        assert server.process.poll() is None, f"sshd ended at once: {server.log}"
        time.sleep(0.05)
    server.stop()
    raise AssertionError(f"sshd does not listen: {server.log}")


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind((ADDRESS, 0))
        port: int = sock.getsockname()[1]
        return port


def descendants(pid: int) -> list[int]:
    """The processes below one, parents first."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            parents.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found = [pid]
    for parent in found:
        found.extend(parents.get(parent, ()))
    return found[1:]


def running_sshd(
    folder: Path,
    *,
    more: str = "",
    instead: Mapping[str, Path] | None = None,
    cable: Cable | None = None,
) -> Iterator[Sshd]:
    """For fixtures."""
    server = start_sshd(folder, more=more, instead=instead, cable=cable)
    try:
        yield server
    finally:
        server.stop()
