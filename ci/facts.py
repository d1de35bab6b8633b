"""What rpm, virsh, xl, the kernel and /proc print, as small records. Pure."""

from __future__ import annotations

import re

from ci.model import Record

# What ``rpm -q`` is asked for, so that it prints a package as Rpm.nevra does.
NEVRA_FORMAT = r"%{NAME}-%|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}.%{ARCH}\n"


class Mapped(Record, frozen=True, kw_only=True):
    """One file mapped by a process. ``span`` names it below /proc/PID/map_files."""

    path: str
    span: str
    deleted: bool


class Domain(Record, frozen=True, kw_only=True):
    """One line of ``xl list`` or ``virsh list``; ``id`` is -1 for one that is not running."""

    name: str
    id: int
    state: str
    memory_mib: int = 0
    vcpus: int = 0


class LibvirtVersion(Record, frozen=True, kw_only=True):
    """What ``virsh version --daemon`` says; ``hypervisor`` is such as "Xen 4.17.0"."""

    library: str
    daemon: str
    hypervisor: str


class XenInfo(Record, frozen=True, kw_only=True):
    """The part of ``xl info`` that decides things."""

    version: str
    cpus: int
    memory_mib: int
    free_mib: int
    capabilities: tuple[str, ...]


class PackageDiff(Record, frozen=True, kw_only=True):
    """The difference between two package sets, as NEVRAs; ``changed`` is "old -> new"."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]

    def lines(self) -> tuple[str, ...]:
        """For people: + came, - went, ~ changed."""
        return (
            *(f"+ {nevra}" for nevra in self.added),
            *(f"- {nevra}" for nevra in self.removed),
            *(f"~ {change}" for change in self.changed),
        )


class PackageChange(Record, frozen=True, kw_only=True):
    """A deployment's ``packages.json``: the package set before and after.

    ``snapshot`` is the number of snapper's snapshot of before; 0: there is none.
    """

    before: tuple[str, ...]
    after: tuple[str, ...]
    difference: PackageDiff
    snapshot: int = 0


def parse_packages(text: str) -> tuple[str, ...]:
    """The sorted NEVRAs of a listing in NEVRA_FORMAT, without the keys rpm keeps as packages."""
    lines = (line.strip() for line in text.splitlines())
    return tuple(sorted(line for line in lines if line and not line.startswith("gpg-pubkey-")))


def package_diff(before: tuple[str, ...], after: tuple[str, ...]) -> PackageDiff:
    """Packages are the same one when name and architecture are; several versions may coexist."""
    gone, come = sorted(set(before) - set(after)), sorted(set(after) - set(before))
    gone_by, come_by = _by_package(gone), _by_package(come)
    both = [key for key in gone_by if len(gone_by[key]) == 1 and len(come_by.get(key, ())) == 1]
    old = {gone_by[key][0] for key in both}
    new = {come_by[key][0] for key in both}
    return PackageDiff(
        added=tuple(nevra for nevra in come if nevra not in new),
        removed=tuple(nevra for nevra in gone if nevra not in old),
        changed=tuple(f"{gone_by[key][0]} -> {come_by[key][0]}" for key in both),
    )


def _by_package(nevras: list[str]) -> dict[tuple[str, str], list[str]]:
    packages: dict[tuple[str, str], list[str]] = {}
    for nevra in nevras:
        rest, _, arch = nevra.rpartition(".")
        packages.setdefault((rest.rsplit("-", 2)[0], arch), []).append(nevra)
    return packages


def parse_sha256sums(text: str) -> dict[str, str]:
    """Digest by path. A leading backslash says that sha256sum escaped the name."""
    digests = {}
    for line in text.splitlines():
        if found := re.fullmatch(r"(\\?)([0-9a-f]{64}) [ *](.+)", line):
            path = found[3].replace(r"\n", "\n").replace(r"\\", "\\") if found[1] else found[3]
            digests[path] = found[2]
    return digests


def parse_maps(text: str) -> tuple[Mapped, ...]:
    """Each file of a /proc/PID/maps once, by its first mapping."""
    files: dict[str, Mapped] = {}
    for line in text.splitlines():
        fields = line.split(maxsplit=5)
        if len(fields) == 6 and fields[5].startswith("/") and fields[4] != "0":
            path = fields[5].removesuffix(" (deleted)")
            deleted = path != fields[5]
            files.setdefault(fields[5], Mapped(path=path, span=fields[0], deleted=deleted))
    return tuple(files.values())


def parse_virsh_version(text: str) -> LibvirtVersion | None:
    """None when the text is no answer of ``virsh version --daemon``."""
    library = re.search(r"^Using library: libvirt (\S+)", text, re.MULTILINE)
    hypervisor = re.search(r"^Running hypervisor: (.+?)\s*$", text, re.MULTILINE)
    daemon = re.search(r"^Running against daemon: (\S+)", text, re.MULTILINE)
    if library is None:
        return None
    return LibvirtVersion(
        library=library[1],
        daemon=daemon[1] if daemon else "",
        hypervisor=hypervisor[1] if hypervisor else "",
    )


def parse_xl_info(text: str) -> XenInfo | None:
    """None when the text is no answer of ``xl info``, that is, when Xen does not run."""
    pairs = (line.split(":", 1) for line in text.splitlines() if ":" in line)
    values = {key.strip(): value.strip() for key, value in pairs}
    if "xen_major" not in values:
        return None
    version = f"{values['xen_major']}.{values.get('xen_minor', '')}{values.get('xen_extra', '')}"
    return XenInfo(
        version=values.get("xen_version", version),
        cpus=int(values.get("nr_cpus", "0")),
        memory_mib=int(values.get("total_memory", "0")),
        free_mib=int(values.get("free_memory", "0")),
        capabilities=tuple(values.get("xen_caps", "").split()),
    )


def parse_xl_list(text: str) -> tuple[Domain, ...]:
    """The domains of ``xl list``, dom0 among them; names may hold spaces."""
    row = re.compile(r"(.+?)\s+(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+[\d.]+")
    found = (row.fullmatch(line.strip()) for line in text.splitlines())
    return tuple(
        Domain(name=m[1], id=int(m[2]), state=m[5], memory_mib=int(m[3]), vcpus=int(m[4]))
        for m in found
        if m
    )


def parse_virsh_list(text: str) -> tuple[Domain, ...]:
    """The domains of ``virsh list --all``."""
    found = (re.fullmatch(r"(\d+|-)\s+(.+?)\s{2,}(\S.*)", x.strip()) for x in text.splitlines())
    return tuple(
        Domain(name=m[2], id=-1 if m[1] == "-" else int(m[1]), state=m[3]) for m in found if m
    )


TROUBLE = re.compile(
    r"BUG:|Oops|kernel panic|Panic on CPU|general protection fault|Call Trace:|WARNING: CPU"
    r"|soft lockup|hard LOCKUP|blocked for more than|rcu.*self-detected stall|Out of memory:"
    r"|segfault at|I/O error|Xen call trace",
    re.IGNORECASE,
)


def kernel_troubles(text: str) -> tuple[str, ...]:
    """The lines of a dmesg, ``xl dmesg`` or serial console that tell of a kernel in trouble."""
    return tuple(line.strip() for line in text.splitlines() if TROUBLE.search(line))


def parse_os_release(text: str) -> dict[str, str]:
    """The values of /etc/os-release, unquoted."""
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line)
    return {key.strip(): value.strip().strip("\"'") for key, value in pairs}
