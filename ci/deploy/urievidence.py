"""What the host of a connection URI can tell after a failure, over the URI's own SSH.

It may be anybody's host: nothing is changed there, and only cores that are newer than the mark are
taken, and kept when they are of our programs.
"""

from __future__ import annotations

import gzip
import shutil
import tarfile
import tempfile
from pathlib import Path

import msgspec

from ci.codec import to_json
from ci.deadline import Deadline
from ci.deploy.evidence import MARK, OF_HYPERVISOR, QUESTIONS, marked
from ci.deploy.localcores import MOST_CORES, PACKED, keep
from ci.deploy.localevidence import CORES, LOG_BYTES, MOST_LOGS, QUESTION_SECONDS
from ci.deploy.served import THERE, parse_served
from ci.deploy.uriremote import UriRemote
from ci.errors import VirtciError
from ci.model import Mark
from ci.shell import LocalShell

OF_HANG = "core.hang."
CORE_SECONDS = 120.0
LOGS = ("/var/log/libvirt", "/var/log/xen")
PLACES = r"""
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
places='/var/crash /var/lib/systemd/coredump'
read -r pattern < /proc/sys/kernel/core_pattern
case $pattern in
  /*) places="$places ${pattern%/*}/" ;;
  '|'*) ;;
  *) for f in /run/libvirtd.pid /run/virtxend.pid /run/virtqemud.pid; do
       [ -s $f ] && places="$places $(readlink /proc/$(cat $f)/cwd)"
     done ;;
esac
"""
_LOOK = r"""
printf 'boot\t%s\t\n' "$(cat /proc/sys/kernel/random/boot_id)"
printf 'user\t%s\t%s\n' "$(id -un)" "$(id -u)"
find $places -maxdepth 1 -type f -name '*core*' -printf 'core\t%p\t%T@\n' 2>/dev/null
find /var/log/libvirt /var/log/xen -type f -printf 'size\t%p\t%s\n' 2>/dev/null
printf 'last\tdmesg.txt\t%s\n' "$(dmesg 2>/dev/null | tail -n 1)"
printf 'last\txl-dmesg.txt\t%s\n' "$(xl dmesg 2>/dev/null | tail -n 1)"
printf 'last\tjournal.txt\t%s\n' "$(journalctl -b -n 1 --no-pager 2>/dev/null | tail -n 1)"
"""


class _Seen:
    """The answer of ``_LOOK``: kind, name and value, with tabs between them."""

    def __init__(self, text: str) -> None:
        rows = [line.split("\t", 2) for line in text.splitlines() if line.count("\t") >= 2]
        one = {kind: (name, value) for kind, name, value in rows}
        self.boot_id = one.get("boot", ("", ""))[0]
        self.user, self.uid = one.get("user", ("", ""))
        # one that is written over keeps its name, and has another time
        self.cores = {f"{name}@{when}": name for kind, name, when in rows if kind == "core"}
        self.sizes = {
            name: int(size) for kind, name, size in rows if kind == "size" and size.isdigit()
        }
        self.served = parse_served((kind, name, told) for kind, name, told in rows)
        self.last = {name: line for kind, name, line in rows if kind == "last" and line.strip()}


def _look(host: UriRemote, deadline: Deadline) -> _Seen:
    return _Seen(host.ask(("sh", "-c", PLACES + _LOOK + THERE), deadline))


def mark_at(host: UriRemote, folder: Path, deadline: Deadline) -> None:
    """Note in ``folder`` what is there before a suite; nothing when the host cannot be asked."""
    try:
        seen = _look(host, deadline)
    except VirtciError:
        return
    if not seen.boot_id:
        return
    old = marked(folder)
    if old is not None and old.boot_id == seen.boot_id:
        # a suite that was cut goes on with the mark of before; nobody watched the daemon meanwhile
        mark = msgspec.structs.replace(old, served=seen.served)
    else:
        cores = tuple(seen.cores)
        mark = Mark(
            boot_id=seen.boot_id, cores=cores, sizes=seen.sizes, last=seen.last, served=seen.served
        )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).write_bytes(to_json(mark))


def gather_at(host: UriRemote, hypervisor: str, folder: Path, deadline: Deadline) -> None:
    """Everything that the time allows; what cannot be had is named in ``missing.txt``."""
    folder.mkdir(parents=True, exist_ok=True)
    missing: list[str] = []
    try:
        seen = _look(host, deadline.within(QUESTION_SECONDS))
        if seen.uid != "0":
            missing.append(
                f"cores and libvirt's logs: {seen.user or 'the login'} is not root there,"
                " so they may be hidden; a URI of root@ shows them"
            )
        _cores(host, seen, folder, deadline, missing)
        _questions(host, hypervisor, folder, deadline, missing)
        _logs(host, seen, folder, deadline, missing)
    except VirtciError as error:
        missing.append(f"cores and logs: the host cannot be asked: {error.message}")
    if missing:
        (folder / "missing.txt").write_text("\n".join(missing) + "\n", encoding="utf-8")


def _cores(
    host: UriRemote, seen: _Seen, folder: Path, deadline: Deadline, missing: list[str]
) -> None:
    """The newest of those that were not there before."""
    mark = marked(folder)
    old = set(mark.cores) if mark else set()
    fresh = [named for named in seen.cores if named not in old]
    for named in sorted(fresh, key=_when)[-MOST_CORES:]:
        path = seen.cores[named]
        try:
            with tempfile.TemporaryDirectory(prefix=".cores-", dir=folder) as work:
                _core(host, path, Path(work), folder / CORES, deadline.within(CORE_SECONDS))
        except (VirtciError, OSError) as error:
            missing.append(f"core {path}: {error}")


def _when(named: str) -> float:
    return float(named.rpartition("@")[2] or 0)


def _core(host: UriRemote, path: str, work: Path, into: Path, deadline: Deadline) -> None:
    """A core of 150 MiB is mostly empty: it comes packed."""
    core = work / Path(path).name
    if core.suffix in PACKED:
        host.fetch(("cat", "--", path), core, deadline)
    else:
        packed = work / "packed"
        host.fetch(("gzip", "-1", "-c", "--", path), packed, deadline)
        with gzip.open(packed) as whole, core.open("wb") as file:
            shutil.copyfileobj(whole, file)
    kept = keep(core, into, LocalShell(), deadline)
    if kept and core.name.startswith(OF_HANG):  # taken of one that did not die
        (into / kept).rename(into / kept.replace("core.", OF_HANG, 1))


def _questions(
    host: UriRemote, hypervisor: str, folder: Path, deadline: Deadline, missing: list[str]
) -> None:
    for name, argv in (QUESTIONS | OF_HYPERVISOR.get(hypervisor, {})).items():
        try:
            text = host.ask(argv, deadline.within(QUESTION_SECONDS))
        except VirtciError as error:
            missing.append(f"{name}: {error.message}")
        else:
            (folder / name).write_text(text, encoding="utf-8")


def _logs(
    host: UriRemote, seen: _Seen, folder: Path, deadline: Deadline, missing: list[str]
) -> None:
    """All in one go; of large ones the end."""
    listed = sorted(seen.sizes, key=lambda name: seen.sizes[name])[:MOST_LOGS]
    small = [name for name in listed if seen.sizes[name] <= LOG_BYTES]
    try:
        with tempfile.TemporaryDirectory(prefix=".logs-", dir=folder) as work:
            archive = Path(work, "logs.tar.gz")
            names = "".join(f"{name}\n" for name in small)
            argv = ("tar", "-czPf", "-", "--ignore-failed-read", "--no-recursion", "-T", "-")
            host.fetch(argv, archive, deadline, stdin=names)
            _unpack(archive, set(small), folder)
        for name in set(listed) - set(small):
            end = ("tail", "-c", str(LOG_BYTES), "--", name)
            host.fetch(end, place_of(name, folder), deadline)
    except (VirtciError, OSError, tarfile.TarError) as error:
        missing.append(f"logs: {error}")


def _unpack(archive: Path, wanted: set[str], folder: Path) -> None:
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.isfile() and member.name in wanted and (file := tar.extractfile(member)):
                target = place_of(member.name, folder)
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("wb") as copy:
                    shutil.copyfileobj(file, copy)


def place_of(log: str, folder: Path) -> Path:
    """Where a log of the host lies in the evidence: ``var-log-libvirt/libvirtd.log``."""
    base = next(base for base in LOGS if log.startswith(f"{base}/"))
    parts = [part for part in log.removeprefix(base).split("/") if part not in ("", ".", "..")]
    return folder.joinpath(base.strip("/").replace("/", "-"), *parts)
