"""Whole hosts for tests: a real sshd with a machine id and a state folder of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.cable import Cable
from tests.root import need_root
from tests.sshd import Sshd, running_sshd

STATE_ROOT = Path("/var/lib/virtci")


@dataclass
class FakeMachine:
    """A host of the tests, and what stands behind its files."""

    name: str
    sshd: Sshd
    state: Path
    machine_id_file: Path

    @property
    def machine_id(self) -> str:
        return self.machine_id_file.read_text().strip()

    def entry(self, *, more: str = "", enrolled: bool = True, hypervisor: str = "test") -> str:
        """Its table in a hosts file."""
        known = f'machine_id = "{self.machine_id}"' if enrolled else ""
        return f"""[[hosts]]
name = "{self.name}"
address = "{self.sshd.address}"
port = {self.sshd.port}
user = "{self.sshd.user}"
key = "{self.sshd.folder}/client"
known_hosts = "{self.sshd.folder}/known_hosts"
hypervisor = "{hypervisor}"
{known}
{more}
"""


@contextmanager
def a_machine(
    folder: Path,
    name: str,
    *,
    more: str = "",
    cable: Cable | None = None,
    instead: Mapping[str, Path] | None = None,
) -> Iterator[FakeMachine]:
    """Started in an own mount namespace, so that nothing of this machine is touched.

    With a ``cable`` it is reached through that; ``instead``: more folders of its own.
    """
    need_root("a mount namespace of a host's own")
    own = folder / name
    (own / "state").mkdir(parents=True, exist_ok=True)
    (own / "sshd").mkdir()
    machine_id = own / "machine-id"
    machine_id.write_text(f"{name:0<32.32}\n")
    STATE_ROOT.mkdir(parents=True, exist_ok=True)
    Path("/etc/machine-id").touch(exist_ok=True)
    own_files = {str(STATE_ROOT): own / "state", "/etc/machine-id": machine_id, **(instead or {})}
    for server in running_sshd(own / "sshd", more=more, instead=own_files, cable=cable):
        yield FakeMachine(name, server, own / "state", machine_id)
