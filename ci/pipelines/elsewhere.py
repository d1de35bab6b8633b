"""Where a lane goes on when its host is gone: on the same machine again, or on another."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import msgspec

from ci.deadline import Deadline
from ci.deploy.daemons import LOCAL_URIS
from ci.deploy.poolhost import PoolHost
from ci.deploy.ssh_errors import target_of
from ci.deploy.sshhost import SshHost
from ci.deploy.sshshell import SshShell
from ci.errors import InfraError, Interrupted
from ci.model import Access
from ci.nested.boot import NestedHost
from ci.pipelines.kinds import HostKind
from ci.pipelines.lost import Loss

POLL_SECONDS = 0.5
ANSWER_SECONDS = 30.0


class Occupied:
    """Which machines of the plan a lane works on: two lanes never share one at the same time."""

    def __init__(self) -> None:
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    @contextmanager
    def alone(self, name: str, stop: threading.Event) -> Iterator[None]:
        """Wait until no other lane is on it. Raises Interrupted on a stop."""
        with self._lock:
            lock = self._locks.setdefault(name, threading.Lock())
        while not lock.acquire(timeout=POLL_SECONDS):
            if stop.is_set():
                raise Interrupted(f"stopped while waiting for {name}")
        try:
            yield
        finally:
            lock.release()


@dataclass
class Trail:
    """What a lane has been through: machines that came back once, those given up, moves left."""

    moves: int
    back: set[str] = field(default_factory=set)
    lost: list[str] = field(default_factory=list)


def next_place(
    host: HostKind, where: HostKind, loss: Loss, trail: Trail, hosts: Sequence[HostKind]
) -> HostKind | None:
    """Once more the same machine when it is back, else another as often as the plan allows."""
    if loss.back and loss.machine not in trail.back:
        trail.back.add(loss.machine)
        return same_again(where, loss.machine)
    trail.lost.append(loss.machine)
    if trail.moves == 0 or (isinstance(host, PoolHost) and not loss.reached):
        return None  # a pool that has no host to give has been waited for already
    trail.moves -= 1
    return another(host, trail.lost, hosts)


def another(host: HostKind, lost: Sequence[str], hosts: Sequence[HostKind]) -> HostKind | None:
    """Another host that does as well: booted anew, of the pool, of the plan; None: there is none.

    ``lost`` are the names of machines that are not to be tried again.
    """
    match host:
        case NestedHost():
            return host  # each boot of its image is a new machine
        case PoolHost():
            return _required(host, " & ".join(f"!{name}" for name in lost))
        case SshHost():
            return next((other for other in hosts if _alike(host, other, lost)), None)
        case _:
            return None


def _alike(host: SshHost, other: HostKind, lost: Sequence[str]) -> bool:
    return (
        isinstance(other, SshHost)
        and other.hypervisor == host.hypervisor
        and other.name not in lost
    )


def same_again(host: HostKind, machine: str) -> HostKind:
    """The host kind that takes this very machine once more."""
    return _required(host, machine) if isinstance(host, PoolHost) else host


def _required(host: PoolHost, more: str) -> PoolHost:
    require = f"({host.require}) & {more}" if host.require.strip() else more
    return msgspec.structs.replace(host, require=require)


def wedged(access: Access) -> str:
    """Why libvirt of a host that can be reached does not answer; "" when it does."""
    uri = LOCAL_URIS.get(access.hypervisor, "")
    if not uri:
        return ""
    try:
        with SshShell(target_of(access)) as shell:
            argv = ("virsh", "-c", uri, "version", "--daemon")
            done = shell.run(argv, Deadline.after(ANSWER_SECONDS), env={"LC_ALL": "C"})
    except InfraError as error:
        return error.message
    return "" if done.ok else done.tail(2)
