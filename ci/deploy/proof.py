"""Proof that the packages of a build are what runs: package names say little, build-ids say all."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from ci.deadline import Deadline
from ci.elf import HEAD_BYTES, build_id
from ci.errors import InfraError, ProductError
from ci.facts import Mapped, parse_maps
from ci.model import Module, Record, Rpm
from ci.shell import Shell

# The drivers that a connection to a hypervisor needs; when the build has one it must be running.
DRIVERS = {"xen": "libvirt_driver_libxl.so", "qemu": "libvirt_driver_qemu.so"}
_DAEMONS = (
    'for name do for pid in $(pidof "$name"); do '
    'echo "daemon $name $pid $(readlink "/proc/$pid/exe")"; cat "/proc/$pid/maps"; done; done'
)
# Two processes, however many files: starting one is slow on an emulated host.
_HEADS = f'head -v -c {HEAD_BYTES} -- "$@" | base64'


class Daemon(Record, frozen=True, kw_only=True):
    """A running process and every file it has mapped; ``exe`` may be a deleted file."""

    name: str
    pid: int
    exe: str
    mapped: tuple[Mapped, ...]


class Running(Record, frozen=True, kw_only=True):
    """One mapped file with the build-id of what is in memory, not of what has its name now."""

    daemon: str
    pid: int
    path: str
    build_id: str
    deleted: bool


class Expected(Record, frozen=True, kw_only=True):
    """What a package says of one of its files."""

    path: str
    build_id: str
    package: str


def expected_files(rpms: tuple[Rpm, ...]) -> dict[str, Expected]:
    """Every ELF file of the packages, by its path as the kernel shows it."""
    return {
        settled(file.path): Expected(path=file.path, build_id=file.build_id, package=rpm.nevra)
        for rpm in rpms
        if not rpm.debug
        for file in rpm.build_ids
        if file.build_id
    }


def settled(path: str) -> str:
    """/bin, /sbin and /lib* are links into /usr wherever libvirt runs today."""
    first = path.split("/")[1] if path.startswith("/") and path.count("/") > 1 else ""
    return f"/usr{path}" if first in ("bin", "sbin", "lib", "lib64") else path


def running_files(
    shell: Shell, daemons: tuple[str, ...], wanted: Mapping[str, Expected], deadline: Deadline
) -> tuple[Running, ...]:
    """The wanted files that the daemons have mapped now. Two round trips, whatever their number."""
    if not daemons:
        return ()
    found = parse_daemons(shell.run(("sh", "-c", _DAEMONS, "virtci", *daemons), deadline).stdout)
    spots = {
        f"/proc/{daemon.pid}/map_files/{file.span}": (daemon, file)
        for daemon in found
        for file in daemon.mapped
        if settled(file.path) in wanted
    }
    heads = _heads(shell, tuple(spots), deadline) if spots else {}
    return tuple(
        Running(
            daemon=daemon.name,
            pid=daemon.pid,
            path=settled(file.path),
            build_id=build_id(heads[spot]),
            deleted=file.deleted,
        )
        for spot, (daemon, file) in spots.items()
    )


def _heads(shell: Shell, spots: tuple[str, ...], deadline: Deadline) -> dict[str, bytes]:
    """How each mapped file begins. Raises InfraError when one cannot be read."""
    done = shell.run(("sh", "-c", _HEADS, "virtci", *spots), deadline)
    heads = parse_heads(done.stdout, spots)
    if unread := [spot for spot in spots if not heads.get(spot)]:
        raise InfraError(
            f"{len(unread)} mapped files cannot be read on {shell.where}: {unread[0]}",
            hint="the login must be root to look into daemons; or the daemon ended meanwhile",
            detail=done.tail(),
        )
    return heads


def parse_daemons(text: str) -> tuple[Daemon, ...]:
    """The answer to the question above: a heading for each process, then its map."""
    daemons = []
    for part in ("\n" + text).split("\ndaemon ")[1:]:
        heading, _, maps = part.partition("\n")
        name, pid, exe = (*heading.split(maxsplit=2), "", "", "")[:3]
        if pid.isdigit():
            daemons.append(Daemon(name=name, pid=int(pid), exe=exe, mapped=parse_maps(maps)))
    return tuple(daemons)


def parse_heads(text: str, paths: tuple[str, ...]) -> dict[str, bytes]:
    """The first bytes of each file that could be read, out of ``head -v``'s output in base64.

    Raises ValueError when it is no base64.
    """
    data = b"\n" + base64.b64decode("".join(text.split()), validate=True)
    starts = []
    at = 0
    for path in paths:
        heading = f"\n==> {path} <==\n".encode()
        if (found := data.find(heading, at)) >= 0:
            starts.append((path, found, found + len(heading)))
            at = found + len(heading)
    ends = [*(found for _, found, _ in starts), len(data)][1:]
    return {path: data[begin:end] for (path, _, begin), end in zip(starts, ends, strict=True)}


def prove(
    running: tuple[Running, ...],
    wanted: Mapping[str, Expected],
    *,
    daemons: tuple[str, ...],
    hypervisor: str,
    where: str,
) -> tuple[Module, ...]:
    """Every running file that a package has, each shown to be the package's own.

    Raises ProductError that names path, expected and found; or what should run and does not.
    """
    for file in running:
        _check(file, wanted[file.path], where)
    _check_complete({file.path for file in running}, wanted, daemons, hypervisor, where)
    modules = {
        file.path: Module(
            path=file.path,
            build_id=file.build_id,
            expected=wanted[file.path].build_id,
            package=wanted[file.path].package,
        )
        for file in running
    }
    return tuple(modules[path] for path in sorted(modules))


def _check(file: Running, expected: Expected, where: str) -> None:
    if file.deleted:
        raise ProductError(
            f"{file.daemon} (pid {file.pid}) on {where} still runs a deleted {file.path}",
            hint="it was not restarted after the installation; see deploy.restart",
            detail=f"expected {expected.build_id} of {expected.package}\nfound    {file.build_id}",
        )
    if file.build_id != expected.build_id:
        raise ProductError(
            f"{file.daemon} (pid {file.pid}) on {where} runs another {file.path} than was built: "
            f"expected build-id {expected.build_id}, found {file.build_id or 'none'}",
            hint=f"{expected.package} was installed; what wrote that file since?",
        )


def _check_complete(
    paths: set[str],
    wanted: Mapping[str, Expected],
    daemons: tuple[str, ...],
    hypervisor: str,
    where: str,
) -> None:
    names = (*daemons, DRIVERS.get(hypervisor, ""))
    needed = [path for path in wanted if path.rsplit("/", 1)[1] in names and path not in paths]
    if needed:
        raise ProductError(
            f"{needed[0]} was built but does not run on {where}",
            hint="the daemon did not start, or its driver did not load; see its log",
        )
    if wanted and daemons and not paths:
        raise ProductError(
            f"nothing of what was built runs in {', '.join(daemons)} on {where}",
            hint="are the packages the ones that the watched daemons belong to? see deploy.watch",
        )
