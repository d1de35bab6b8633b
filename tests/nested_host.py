"""One booted nested Xen host for all tests of a session, whatever worker they run in.

    def test_x(xen_host: Access) -> None:            # marked xen
        connection = libvirt.open(xen_host.uri)

The first worker that asks boots it, the last one that asked ends it. Tests leave it as they found
it; a test that breaks the host boots one of its own with ``booted(folder)``.
"""

from __future__ import annotations

import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ci.codec import from_json, to_json
from ci.deadline import Deadline
from ci.model import Access
from ci.nested.boot import NestedHost
from ci.run import Step
from ci.shell import LocalShell

BOOT_SECONDS = 900.0  # with the image, when it is not in the cache
END_SECONDS = 60.0
LOADED_SECONDS = 600  # an emulated boot beside whatever else the machine does
HOST = NestedHost(name="tests", minutes_to_live=60, boot_seconds=LOADED_SECONDS)


def step_in(folder: Path) -> Step:
    """A step as a run would hand it to the host's kind."""
    own = folder / "hosts"
    own.mkdir(parents=True, exist_ok=True)
    return Step("hosts", LocalShell(), Deadline.after(BOOT_SECONDS), own, folder)


@contextmanager
def booted(folder: Path, host: NestedHost = HOST) -> Iterator[Access]:
    """A host of one's own, ended in any case."""
    access = host.acquire(step_in(folder))
    try:
        yield access
    finally:
        host.release(access, Deadline.after(END_SECONDS))


@pytest.fixture(scope="session")
def xen_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Access]:
    """The session's host: real Xen, dom0 and libvirtd, reached through its ``uri`` or SSH."""
    folder = _shared(tmp_path_factory) / "nested-host"
    folder.mkdir(exist_ok=True)
    users = folder / "users"
    own = users / uuid.uuid4().hex  # several conftests may offer the fixture to one process
    with _alone(folder):
        users.mkdir(exist_ok=True)
        access = _known(folder) or HOST.acquire(step_in(folder))
        (folder / "access.json").write_bytes(to_json(access))
        own.touch()
    try:
        yield access
    finally:
        with _alone(folder):
            own.unlink()
            if not any(users.iterdir()):
                HOST.release(access, Deadline.after(END_SECONDS))
                (folder / "access.json").unlink()


def _shared(factory: pytest.TempPathFactory) -> Path:
    """The folder that all workers of a session have in common."""
    base = factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


def _known(folder: Path) -> Access | None:
    record = folder / "access.json"
    return from_json(record.read_bytes(), Access) if record.exists() else None


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
