"""Cores on this machine: where the kernel puts those of a daemon, which are new, whose they are."""

from __future__ import annotations

import gzip
import os
import re
import resource
import shutil
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from ci.deadline import Deadline
from ci.elf import CORE_HEAD_BYTES, process_of
from ci.errors import InfraError, VirtciError
from ci.shell import Shell

PATTERN = Path("/proc/sys/kernel/core_pattern")
USUAL = ("/var/crash", "/var/lib/systemd/coredump", "/var/lib/apport/coredump")
ABRT = ("/var/spool/abrt", "/var/tmp/abrt")  # noqa: S108 - abrt's own place
SOCKETS = ("libvirt-sock", "virtqemud-sock", "virtxend-sock", "virtlxcd-sock")
OURS = re.compile(r"(?:lt-)?(?:libvirt|virt|qemu|kvm|xen|oxenstored|xl$|libxl|dnsmasq|swtpm)")
PACKED = (".zst", ".lz4", ".xz", ".gz")
MOST_CORES = 6
MOST_BYTES = 4 * 2**30  # apparent: cores are mostly holes
READ_SECONDS = 30.0
CHUNK = 2**20
_SYSTEMD = re.compile(r"core\.(?P<program>.+)\.\d+\.[0-9a-f]{32}\.(?P<pid>\d+)\.\d+(?:\.|$)")
_PROCESS = re.compile(r"PRPSINFO\n.*?\bpid: (?P<pid>\d+).*?fname: (?P<name>[^\s,]+)", re.DOTALL)


@dataclass(frozen=True)
class Here:
    """A daemon of this machine as it was seen last: its process, where its cores go, its limit.

    ``root`` is its file system as seen from here. ``pid`` is 0 when nobody serves the connection.
    """

    pid: int = 0
    folders: tuple[Path, ...] = ()
    root: Path = Path("/")
    limit: str = ""

    @property
    def leaves_none(self) -> str:
        """Why there can be no core; empty when there can."""
        if self.pid and self.limit == "0":
            return (
                f"the daemon (process {self.pid}) may leave no core: its limit is 0; LimitCORE="
                "infinity in its unit, or ulimit -c unlimited before it is started"
            )
        return ""


def look(uri: str) -> Here:
    """Who serves a connection on this machine, and where cores of it would lie."""
    pid = daemon_at(uri)
    return Here(
        pid=pid, folders=core_folders(pid), root=_root(pid), limit=_limit(pid) if pid else ""
    )


def daemon_at(uri: str) -> int:
    """The process behind the socket of a connection URI; 0 when there is none.

    A service manager that listens on its behalf is not the daemon.
    """
    for path in socket_paths(uri):
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
            peer.settimeout(2.0)
            peer.connect(str(path))
            data = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            pid = int(struct.unpack("3i", data)[0])
            return pid if pid > 1 else _named()
    return 0


def socket_paths(uri: str) -> tuple[Path, ...]:
    """Where the daemon of a URI listens: as the URI says, else where daemons of root do."""
    parts = urlsplit(uri)
    if parts.netloc or (parts.scheme.startswith("test") and "+" not in parts.scheme):
        return ()  # elsewhere, or in the caller's own process
    if named := parse_qs(parts.query).get("socket"):
        return (Path(named[0]),)
    driver = parts.scheme.partition("+")[0]
    own = [name for name in SOCKETS if driver[:3] in name] or []
    return tuple(Path("/run/libvirt", name) for name in (SOCKETS[0], *own))


def _named() -> int:
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if re.fullmatch(r"libvirtd|virtqemud|virtxend", (folder / "comm").read_text().strip()):
                return int(folder.name)
    return 0


def core_folders(pid: int) -> tuple[Path, ...]:
    """Where the kernel, or the program that it hands them to, puts the cores of a process."""
    pattern = _text(PATTERN).strip()
    found = [Path(place) for place in USUAL]
    if pattern.startswith("/"):
        found.append(Path(pattern).parent)
    elif pattern and pattern[0] != "|" and pid:
        with suppress(OSError):
            found.append(Path(f"/proc/{pid}/cwd").readlink())
    found += [folder for place in ABRT if "abrt" in pattern for folder in Path(place).glob("*/")]
    return tuple(dict.fromkeys(found))


def cores_in(folders: tuple[Path, ...]) -> dict[Path, int]:
    """Files that may be cores, by when they were written (nanoseconds)."""
    found = {}
    for folder in folders:
        with suppress(OSError):
            for path in folder.iterdir():
                if _may_be_core(path):
                    found[path] = path.stat().st_mtime_ns
    return found


def _may_be_core(path: Path) -> bool:
    """By name or by head, and never a link to somewhere else."""
    if path.is_symlink() or not path.is_file():
        return False
    if path.suffix in PACKED:
        return "core" in path.name
    with path.open("rb") as file:
        head = file.read(18)
    return head[:4] == b"\x7fELF" and head[16:18] == b"\x04\x00"


def keep(core: Path, folder: Path, shell: Shell, deadline: Deadline) -> str:
    """Copy a core of our programs into ``folder``, packed; its name there, "" for another's.

    The name tells program and process, as the kernel wrote them into the core; its time stays.
    """
    status = core.stat()
    if status.st_size > MOST_BYTES:
        raise InfraError(f"{core} is larger than {MOST_BYTES >> 30} GiB")
    if core.suffix in PACKED:  # named by systemd-coredump: core.PROGRAM.UID.BOOT.PID.TIME
        parts = core.name.split(".")
        if len(parts) < 2 or not OURS.match(parts[1]):
            return ""
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy2(core, folder / core.name)
        return core.name
    program, pid = whose(core, shell, deadline)
    if not OURS.match(program):
        return ""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"core.{program}.{pid}.gz"
    if (folder / name).exists():
        return name
    with core.open("rb") as whole, gzip.open(folder / name, "wb", compresslevel=1) as packed:
        while chunk := whole.read(CHUNK):
            deadline.check(f"packing of {core}")
            packed.write(chunk)
    os.utime(folder / name, ns=(status.st_atime_ns, status.st_mtime_ns))
    return name


def whose(core: Path, shell: Shell, deadline: Deadline) -> tuple[str, int]:
    """Program and process of a core, by its notes; by its name where they cannot be read."""
    with core.open("rb") as file:  # the kernel writes them first, gdb at the end
        name, pid = process_of(file.read(CORE_HEAD_BYTES))
    if name:
        return name, pid
    with suppress(VirtciError):
        done = shell.run(
            ("eu-readelf", "-n", str(core)), deadline.within(READ_SECONDS), env={"LC_ALL": "C"}
        )
        if found := _PROCESS.search(done.stdout):
            return found["name"], int(found["pid"])
    return told_by(core.name)


def told_by(name: str) -> tuple[str, int]:
    """Program and process as the name of a core tells them; "" and 0 where it does not."""
    if found := _SYSTEMD.match(name):
        return found["program"], int(found["pid"])
    numbers = re.findall(r"\d{2,}", name)
    return next((word for word in name.split(".") if OURS.match(word)), ""), int((*numbers, "0")[0])


def _root(pid: int) -> Path:
    """Its file system: another one when it runs in a mount namespace of its own."""
    with suppress(OSError):
        own, other = (Path(f"/proc/{who}/ns/mnt").readlink() for who in ("self", pid))
        if pid and own != other:
            return Path(f"/proc/{pid}/root")
    return Path("/")


def _limit(pid: int) -> str:
    with suppress(OSError, ValueError):
        soft, _ = resource.prlimit(pid, resource.RLIMIT_CORE)
        # handed to a program, a core is written whatever the limit, but for 1 (see core(5))
        return "" if _text(PATTERN).startswith("|") else str(soft)
    return ""


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
