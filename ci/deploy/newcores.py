"""Which of our programs left a core since a suite began: asked behind every suite, passed or not.

So it has to be cheap: the names of the cores that are new and, where there are any, their heads.
What there is to be told of them is gathered afterwards.
"""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from ci.deadline import Deadline
from ci.deploy.evidence import marked
from ci.deploy.localcores import (
    MOST_CORES,
    OURS,
    PACKED,
    core_folders,
    cores_in,
    socket_paths,
    told_by,
    whose,
)
from ci.deploy.localevidence import CORES, named
from ci.deploy.served import THERE, parse_served, replaced, served_now
from ci.deploy.ssh_errors import target_of
from ci.deploy.sshshell import SshShell
from ci.deploy.urievidence import OF_HANG, PLACES
from ci.deploy.uriremote import UriRemote
from ci.elf import CORE_HEAD_BYTES, process_of
from ci.errors import InfraError, VirtciError
from ci.model import Access, LeftCore, Looked, Mark
from ci.shell import Argv, LocalShell

NO_MARK = "what was there before the suite is not known"
NO_WAY_IN = "the connection gives no way in to its host"
BOOTED = "it was booted anew since"
_DATE = re.compile(r"\d+(\.\d+)?$")
Ask = Callable[[Argv, Deadline], str]
_OF_LANE = r"""
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
places='/var/crash /var/lib/systemd/coredump'
"""
# a daemon that died in the last moment is still being written, by the kernel or behind its pipe
_WRITTEN = r"""
n=0
while [ $n -lt 10 ] && grep -qsE \
    '^(CoreDumping:[[:space:]]*1|Name:[[:space:]]*systemd-coredum)' /proc/[0-9]*/status
do sleep 1; n=$((n + 1)); done
"""
_LIST = r"""
printf 'boot\t%s\t\n' "$(cat /proc/sys/kernel/random/boot_id)"
printf 'now\t\t%s\n' "$(date +%s)"
find $places -maxdepth 1 -type f -printf 'core\t%p\t%T@\n' 2>/dev/null
"""
_HEADS = rf"""
for core; do
    case $core in
      *.gz) gzip -dc -- "$core" ;; *.zst) zstd -dcq -- "$core" ;; *.xz) xz -dc -- "$core" ;;
      *.lz4) lz4 -dc -- "$core" ;; *) cat -- "$core" ;;
    esac 2>/dev/null | head -c {CORE_HEAD_BYTES} | base64 -w 0
    echo
done
"""


def look_for_cores(access: Access, folder: Path, deadline: Deadline) -> Looked:
    """On the host of a lane, or on this machine. Never fails; ``folder`` holds the mark."""
    mark = marked(folder)
    if mark is None or mark.boot_id != access.boot_id:
        return Looked(trouble=BOOTED if mark else NO_MARK)
    try:
        if not access.port:
            return _look_here(access.uri, mark, folder, deadline)
        with SshShell(target_of(access)) as shell:
            return _look(
                lambda argv, limit: shell.run(argv, limit).stdout, _OF_LANE, mark, deadline
            )
    except (VirtciError, OSError) as error:
        return Looked(trouble=str(error))


def look_for_cores_at(host: UriRemote | None, folder: Path, deadline: Deadline) -> Looked:
    """The same on the host of a connection URI, where there is a way in to it."""
    mark = marked(folder)
    if host is None or mark is None:
        return Looked(trouble=NO_MARK if host else NO_WAY_IN)
    try:
        return _look(host.ask, PLACES, mark, deadline)
    except VirtciError as error:
        return Looked(trouble=error.message)


def _look_here(uri: str, mark: Mark, folder: Path, deadline: Deadline) -> Looked:
    """A driver in the caller's own process has no daemon whose death could go unnoticed."""
    if not socket_paths(uri):
        return Looked()
    cores = _left_here(mark, folder, deadline)
    now = served_now(uri, mark.served, deadline)
    return Looked(cores=cores, replaced=replaced(mark.served, now, cores))


def _left_here(mark: Mark, folder: Path, deadline: Deadline) -> tuple[LeftCore, ...]:
    """What was kept while the suite ran, and what came behind it."""
    shell = LocalShell()
    shell.run(("sh", "-c", _WRITTEN), deadline)
    kept = (folder / CORES).glob("core.*") if (folder / CORES).is_dir() else ()
    found = [
        _core(told_by(path.name), path, path.stat().st_mtime_ns / 1e9) for path in sorted(kept)
    ]
    folders = dict.fromkeys((*core_folders(0), *map(Path, mark.folders)))
    for path, when in cores_in(tuple(folders)).items():
        if named(path, when) not in mark.cores:
            found.append(_core(whose(path, shell, deadline), path, when / 1e9))
    return _ours(found)


def _look(ask: Ask, places: str, mark: Mark, deadline: Deadline) -> Looked:
    text = ask(("sh", "-c", places + _WRITTEN + _LIST + THERE), deadline)
    rows = [line.split("\t", 2) for line in text.splitlines() if line.count("\t") >= 2]
    boot = next((name for kind, name, _ in rows if kind == "boot"), "")
    if boot != mark.boot_id:
        return Looked(trouble=BOOTED if boot else "it does not tell what lies there")
    cores = _left_there(ask, rows, mark, deadline)
    now = parse_served((kind, name, told) for kind, name, told in rows)
    return Looked(cores=cores, replaced=replaced(mark.served, now, cores))


def _left_there(
    ask: Ask, rows: list[list[str]], mark: Mark, deadline: Deadline
) -> tuple[LeftCore, ...]:
    dated = [row for row in rows if _DATE.match(row[2])]  # a name may hold anything
    now = next((float(when) for kind, _, when in dated if kind == "now"), time.time())
    new = _new([(name, when) for kind, name, when in dated if kind == "core"], mark)
    if not new:
        return ()
    heads = ask(("sh", "-c", _HEADS, "virtci", *(path for path, _ in new)), deadline).splitlines()
    if len(heads) != len(new):
        raise InfraError("cores came or went while they were looked at")
    skew = now - time.time()
    found = (
        _core(_told(path, head), Path(path), when - skew)
        for (path, when), head in zip(new, heads, strict=True)
    )
    return _ours(found)


def _new(listed: list[tuple[str, str]], mark: Mark) -> list[tuple[str, float]]:
    """The newest of those that the mark does not know; packing one changes its name only."""
    old = {_plain(name) for name in mark.cores}
    fresh = [
        (path, float(when))
        for path, when in listed
        if f"{path}@{when}" not in mark.cores
        and _plain(Path(path).name) not in old
        and not Path(path).name.startswith(OF_HANG)
    ]
    return sorted(fresh, key=lambda core: core[1])[-MOST_CORES:]


def _plain(name: str) -> str:
    return name.rpartition(".")[0] if name.endswith(PACKED) else name


def _told(path: str, head: str) -> tuple[str, int]:
    """By its own word; by its name only where it cannot be read."""
    data, name = base64.b64decode(head), Path(path).name
    return told_by(name) if not data and "core" in name else process_of(data)


def _core(process: tuple[str, int], path: Path, at: float) -> LeftCore:
    return LeftCore(program=process[0], pid=process[1], path=str(path), at=at)


def _ours(found: Iterable[LeftCore]) -> tuple[LeftCore, ...]:
    """Each process once."""
    ours = {(core.program, core.pid): core for core in found if OURS.match(core.program)}
    return tuple(sorted(ours.values(), key=lambda core: core.at))
