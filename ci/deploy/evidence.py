"""What a host can tell after a failure, gathered into the run's folder. Never fails a run.

Each question is one command whose output becomes one file; logs and cores come as files. All of it
has a short deadline of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from ci.codec import from_json, to_json
from ci.deadline import Deadline
from ci.deploy.localevidence import gather_here, mark_here
from ci.deploy.served import THERE, parse_served
from ci.deploy.ssh_errors import target_of
from ci.deploy.sshshell import SshShell
from ci.deploy.transfer import HostShell, Limits
from ci.errors import VirtciError
from ci.facts import NEVRA_FORMAT
from ci.model import Access, Mark
from ci.shell import Argv

QUESTION_SECONDS = 15.0
TREE_SECONDS = 25.0
CORE_SECONDS = 60.0  # for the packing of one
REST_SECONDS = 60.0  # for what is asked behind the cores
MOST_PACKED = 6
MIB = 2**20

QUESTIONS: dict[str, Argv] = {
    "dmesg.txt": ("dmesg",),
    "journal.txt": ("journalctl", "-b", "-n", "5000", "--no-pager"),
    "processes.txt": ("ps", "axww", "-o", "pid,ppid,stat,etime,rss,args"),
    "space.txt": ("df", "-P", "-h"),
    "memory.txt": ("cat", "/proc/meminfo"),
    "packages.txt": ("rpm", "-qa", "--qf", NEVRA_FORMAT),
    "cores.txt": ("ls", "-la", "--", "/var/crash", "/var/lib/systemd/coredump"),
}
OF_HYPERVISOR: dict[str, dict[str, Argv]] = {
    "xen": {
        "xl-info.txt": ("xl", "info"),
        "xl-list.txt": ("xl", "list", "--long"),
        "xl-domains.txt": ("xl", "list"),
        "xl-dmesg.txt": ("xl", "dmesg"),
        "xenstore.txt": ("xenstore-ls", "-f"),
        "virsh-list.txt": ("virsh", "-c", "xen:///system", "list", "--all"),
    },
    "qemu": {"virsh-list.txt": ("virsh", "-c", "qemu:///system", "list", "--all")},
    "test": {},
}
TREES: dict[str, Limits] = {
    "/var/log/libvirt": Limits(files=200, total_bytes=64 * MIB, file_bytes=8 * MIB),
    "/var/log/xen": Limits(files=200, total_bytes=32 * MIB, file_bytes=4 * MIB),
}
CORES: dict[str, Limits] = {
    "/var/crash": Limits(files=4, total_bytes=512 * MIB, file_bytes=256 * MIB),
    "/var/lib/systemd/coredump": Limits(files=4, total_bytes=512 * MIB, file_bytes=256 * MIB),
}
MARK = ".mark.json"  # what in a folder of evidence is older than the suite
_MARK = r"""
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
find /var/crash /var/lib/systemd/coredump -maxdepth 1 -type f -printf 'core\t%f\t\n' 2>/dev/null
find /var/log/libvirt /var/log/xen -type f -printf 'size\t%p\t%s\n' 2>/dev/null
printf 'last\tdmesg.txt\t%s\n' "$(dmesg | tail -n 1)"
printf 'last\txl-dmesg.txt\t%s\n' "$(xl dmesg 2>/dev/null | tail -n 1)"
printf 'last\tjournal.txt\t%s\n' "$(journalctl -b -n 1 --no-pager 2>/dev/null | tail -n 1)"
"""
PACKED = (".gz", ".zst", ".xz", ".lz4")
# whoever is killed meanwhile leaves no half core under a whole one's name
_PACK = """
gzip -1 -c -- "$1" > "$1.gz.part" && touch -r "$1" "$1.gz.part" && mv -- "$1.gz.part" "$1.gz" &&
    rm -f -- "$1"
"""


@dataclass(frozen=True)
class Evidence:
    """What was gathered into ``folder``, and what could not be, each with its reason."""

    folder: Path
    files: tuple[str, ...]
    missing: tuple[str, ...]


def mark(access: Access, folder: Path, deadline: Deadline) -> Mark | None:
    """Note in ``folder`` what is there before a suite; None when the host cannot be asked.

    A mark of the same boot stays: a suite that was cut goes on with it. Who answers is asked anew,
    since nobody watched the daemon in between.
    """
    place, old = folder / MARK, marked(folder)
    found = _mark_there(access, deadline) if access.port else _mark_here(access, deadline)
    if old is not None and old.boot_id == access.boot_id:
        served = found.served if found is not None else ()
        found = msgspec.structs.replace(old, served=served)
    if found is not None:
        folder.mkdir(parents=True, exist_ok=True)
        place.write_bytes(to_json(found))
    return found


def _mark_here(access: Access, deadline: Deadline) -> Mark:
    return mark_here(access.uri, access.boot_id, deadline.within(TREE_SECONDS))


def _mark_there(access: Access, deadline: Deadline) -> Mark | None:
    try:
        with SshShell(target_of(access)) as shell:
            done = shell.run(("sh", "-c", _MARK + THERE), deadline.within(TREE_SECONDS))
    except VirtciError:
        return None
    return parse_mark(access.boot_id, done.stdout)


def marked(folder: Path) -> Mark | None:
    """The mark of a folder of evidence; None when it has none that can be read."""
    try:
        return from_json((folder / MARK).read_bytes(), Mark)
    except (OSError, msgspec.MsgspecError):
        return None


def parse_mark(boot_id: str, text: str) -> Mark:
    """The answer of ``_MARK``: kind, name and value, with tabs between them."""
    rows = [line.split("\t", 2) for line in text.splitlines() if line.count("\t") >= 2]
    return Mark(
        boot_id=boot_id,
        cores=tuple(name for kind, name, _ in rows if kind == "core"),
        sizes={name: int(size) for kind, name, size in rows if kind == "size" and size.isdigit()},
        last={name: line for kind, name, line in rows if kind == "last" and line.strip()},
        served=parse_served((kind, name, told) for kind, name, told in rows),
    )


def gather(access: Access, folder: Path, deadline: Deadline) -> Evidence:
    """Ask everything that the time allows; what cannot be had is named in ``missing.txt``."""
    folder.mkdir(parents=True, exist_ok=True)
    if not access.port:
        return _told(folder, *gather_here(access.uri, marked(folder), folder, deadline))
    try:
        with SshShell(target_of(access)) as shell:
            return gather_over(shell, access.hypervisor, folder, deadline)
    except VirtciError as error:
        return _told(folder, [], [f"everything: {error.message}"])


def gather_over(shell: HostShell, hypervisor: str, folder: Path, deadline: Deadline) -> Evidence:
    """The same over a connection that is there."""
    files: list[str] = []
    missing: list[str] = []
    told = (files, missing)
    # first: nothing tells more of a crash; a host without any is given up in the usual time
    usual = deadline.within(REST_SECONDS)
    if unpacked := _unpacked_cores(shell, usual, missing):
        cores = deadline.within(max(TREE_SECONDS, deadline.remaining() - REST_SECONDS))
        _pack(shell, unpacked, cores, missing)
        _fetch(shell, CORES, folder, cores, told)
        usual = deadline.within(REST_SECONDS)
    else:
        _fetch(shell, CORES, folder, usual, told)
    deadline = usual
    for name, argv in (QUESTIONS | OF_HYPERVISOR.get(hypervisor, {})).items():
        try:
            done = shell.run(argv, deadline.within(QUESTION_SECONDS))
        except VirtciError as error:
            missing.append(f"{name}: {error.message}")
            continue
        (folder / name).write_text(done.stdout + done.stderr, encoding="utf-8")
        files.append(name)
    _fetch(shell, TREES, folder, deadline, told)
    return _told(folder, files, missing)


def _unpacked_cores(shell: HostShell, deadline: Deadline, missing: list[str]) -> list[str]:
    """The newest first."""
    unpacked = [word for ending in PACKED for word in ("!", "-name", f"*{ending}")]
    listed = ("find", *CORES, "-maxdepth", "1", "-type", "f", *unpacked)
    try:
        found = shell.run((*listed, "-printf", r"%T@\t%p\n"), deadline.within(QUESTION_SECONDS))
        rows = (row.split("\t", 1) for row in found.stdout.splitlines() if "\t" in row)
        newest = sorted(rows, key=lambda row: -float(row[0]))[:MOST_PACKED]
    except (VirtciError, ValueError) as error:
        missing.append(f"packing of cores: {error}")
        return []
    return [core for _, core in newest]


def _pack(shell: HostShell, cores: list[str], deadline: Deadline, missing: list[str]) -> None:
    """A core of 150 MiB is mostly empty: packed it is one, and is here in a second.

    An emulated host takes 15 s for each: none takes the time of all.
    """
    for core in cores:
        try:
            shell.run(("sh", "-c", _PACK, "virtci", core), deadline.within(CORE_SECONDS))
        except VirtciError as error:
            missing.append(f"packing of cores: {core}: {error.message}")


def _fetch(
    shell: HostShell,
    trees: dict[str, Limits],
    folder: Path,
    deadline: Deadline,
    told: tuple[list[str], list[str]],
) -> None:
    """Download folders; ``told`` takes the files and what is missing."""
    files, missing = told
    for remote, limits in trees.items():
        into = folder / remote.strip("/").replace("/", "-")
        try:
            fetched = shell.get_tree(remote, into, deadline.within(TREE_SECONDS), limits=limits)
        except (VirtciError, OSError) as error:
            missing.append(f"{remote}: {error}")
            continue
        files.extend(f"{into.name}/{path}" for path in fetched.files)
        missing.extend(f"{remote}/{path}: too large or gone" for path in fetched.left_out)


def _told(folder: Path, files: list[str], missing: list[str]) -> Evidence:
    if missing:
        (folder / "missing.txt").write_text("\n".join(missing) + "\n", encoding="utf-8")
    return Evidence(folder, tuple(files), tuple(missing))
