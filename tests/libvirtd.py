"""A real libvirtd of our own: namespaces, folders and sockets apart from the machine's.

    def test_x(libvirtd: Libvirtd) -> None:
        connection = libvirt.open(libvirtd.uri)          # qemu+unix:///system?socket=...

It listens on TCP as well, inside its network namespace alone: ``libvirtd.enter`` a client there.
So two of them cannot share a network namespace.

``start_libvirtd(folder)`` makes one more, for tests that kill it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from ci.deadline import Deadline, wait_until
from ci.places import cache_folder
from tests.root import need_root

SUPERVISOR = Path(__file__).parent / "libvirtd_supervisor.py"
NEEDED = ("/usr/sbin/libvirtd", "/usr/sbin/virtlogd", "/usr/bin/qemu-system-x86_64")
PACKAGES = "libvirt-daemon-system libvirt-daemon-config-network dnsmasq-base iptables iproute2"

LIBVIRTD_CONF = """\
unix_sock_dir = "/run/libvirt"
auth_unix_ro = "none"
auth_unix_rw = "none"
listen_tls = 0
listen_tcp = 1
listen_addr = "127.0.0.1"
auth_tcp = "none"
log_level = 3
log_outputs = "3:stderr"
"""
# each is a host of its own: libvirt migrates nothing to the host it comes from
HOST_UUID = 'host_uuid = "{}"\n'
QEMU_CONF = """\
user = "root"
group = "root"
security_driver = "none"
namespaces = []
cgroup_controllers = []
remember_owner = 0
dynamic_ownership = 0
max_core = "unlimited"
"""


@dataclass(frozen=True)
class Libvirtd:
    """A running libvirtd. ``folder`` holds its run, lib, log, etc; cores of it land in there."""

    folder: Path
    supervisor: subprocess.Popen[bytes]

    def uri_of(self, driver: str, path: str = "/system") -> str:
        """A connection URI of one of its drivers that works from outside its namespaces."""
        return f"{driver}+unix://{path}?socket={self.folder}/run/libvirt-sock"

    @property
    def uri(self) -> str:
        return self.uri_of("qemu")

    @property
    def pid(self) -> int:
        """The daemon's process now; another one after it was started again.

        A daemon that starts empties the file before it writes its own number.
        """
        place = self.folder / "run" / "pid"
        return int(
            wait_until("a pid", lambda: place.read_text().strip(), Deadline.after(30), every=0.01)
        )

    def enter(self, *argv: str) -> tuple[str, ...]:
        """``argv`` run in the daemon's network and mount namespaces."""
        return ("nsenter", "-t", str(self.pid), "-n", "-m", *argv)


def _write_configuration(folder: Path) -> None:
    shutil.copytree("/etc/libvirt", folder / "etc", symlinks=True)
    shutil.rmtree(folder / "etc" / "qemu" / "networks" / "autostart", ignore_errors=True)
    (folder / "etc" / "libvirtd.conf").write_text(LIBVIRTD_CONF + HOST_UUID.format(uuid4()))
    (folder / "etc" / "qemu.conf").write_text(QEMU_CONF)
    (folder / "etc" / "virtlogd.conf").write_text("log_level = 3\n")
    for name in ("run", "lib", "log", "cache"):
        (folder / name).mkdir()


def _probed_qemu() -> Path:
    """What libvirt learned about QEMU (eight seconds) is kept between sessions."""
    return cache_folder("tests", "libvirtd") / "qemu"


def _answers(folder: Path) -> bool:
    uri = f"test+unix:///default?socket={folder}/run/libvirt-sock"
    done = subprocess.run(
        ("virsh", "-c", uri, "version"), capture_output=True, timeout=60, check=False
    )
    return done.returncode == 0


def _wait(folder: Path, supervisor: subprocess.Popen[bytes], seconds: float = 90.0) -> None:
    until = time.monotonic() + seconds
    while not ((folder / "run" / "libvirt-sock").exists() and _answers(folder)):
        if supervisor.poll() is not None or time.monotonic() > until:
            out = "".join(path.read_text()[-2000:] for path in folder.glob("*.out"))
            raise AssertionError(f"the private libvirtd in {folder} does not answer:\n{out}")
        time.sleep(0.1)


@contextmanager
def start_libvirtd(
    *, respawn: bool = False, inside: tuple[str, ...] = ("unshare", "--net")
) -> Iterator[Libvirtd]:
    """A libvirtd of one's own until the block ends; then nothing of it is left.

    With ``respawn`` it is started again whenever it dies, as a service manager would do. ``inside``
    gives it a network.
    """
    missing = [path for path in NEEDED if not Path(path).exists()]
    assert not missing, f"{', '.join(missing)} missing: apt-get install {PACKAGES} qemu-system-x86"
    need_root("a libvirtd of one's own")
    # not under pytest's folder: a socket path may have 107 characters
    folder = Path(tempfile.mkdtemp(prefix="virtci-libvirtd-", dir="/var/tmp"))
    _write_configuration(folder)
    cache = _probed_qemu()
    if cache.is_dir():
        shutil.copytree(cache, folder / "cache" / "qemu")
    argv = (*inside, "unshare", "--mount", sys.executable, str(SUPERVISOR), str(folder))
    with (folder / "supervisor.out").open("wb") as out:
        supervisor = subprocess.Popen(
            (*argv, *(("respawn",) if respawn else ())),
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        _wait(folder, supervisor)
        yield Libvirtd(folder=folder, supervisor=supervisor)
    finally:
        _end(supervisor)
        _keep_cache(folder / "cache" / "qemu", cache)
        shutil.rmtree(folder, ignore_errors=True)


def _end(supervisor: subprocess.Popen[bytes]) -> None:
    assert supervisor.stdin is not None
    supervisor.stdin.close()
    try:
        supervisor.wait(timeout=20)
    except subprocess.TimeoutExpired:
        supervisor.kill()
        supervisor.wait()


def _keep_cache(fresh: Path, cache: Path) -> None:
    if fresh.is_dir() and not cache.exists():
        part = Path(tempfile.mkdtemp(dir=cache.parent))
        shutil.copytree(fresh, part / "qemu")
        if not cache.exists():
            (part / "qemu").rename(cache)
        shutil.rmtree(part)


@pytest.fixture(scope="session")
def libvirtd() -> Iterator[Libvirtd]:
    """One libvirtd shared by the session. Do not kill it; see ``respawning_libvirtd``."""
    with start_libvirtd() as daemon:
        yield daemon


@pytest.fixture
def respawning_libvirtd() -> Iterator[Libvirtd]:
    """A libvirtd for one test, which may kill it; it comes back by itself."""
    with start_libvirtd(respawn=True) as daemon:
        yield daemon
