"""The checks, in the order a run needs them."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from ci.deadline import Deadline
from ci.doctor.finding import Finding, State
from ci.nested.accel import works as kvm_works
from ci.places import cache_folder
from ci.shell import LocalShell

SECONDS = 60.0
NEEDED_GIB = 10
NEEDED_MEMORY_MIB = 3072
PROGRAMS = (
    ("git", "git", "sources from git, and patches", True),
    ("svn", "subversion", "sources from Subversion", False),
    ("hg", "mercurial", "sources from Mercurial", False),
    ("rpmbuild", "rpm", "building packages here", True),
    ("meson", "meson", "building libvirt", True),
    ("ninja", "ninja-build", "building libvirt", True),
    ("gcc", "gcc", "building libvirt", True),
    ("ccache", "ccache", "building libvirt again in seconds", False),
    ("osc", "osc (pip install osc)", "the Open Build Service", False),
    ("qemu-system-x86_64", "qemu-system-x86", "nested hosts", True),
    ("qemu-img", "qemu-utils", "images of nested hosts", True),
    ("mmdebstrap", "mmdebstrap", "images of nested hosts", True),
    ("mke2fs", "e2fsprogs", "images of nested hosts", True),
    ("ssh", "openssh-client", "libvirt connections to hosts", True),
    ("virsh", "libvirt-clients", "looking at connections by hand", True),
    ("gdb", "gdb", "backtraces of crashed daemons", False),
)


def programs() -> Iterator[Finding]:
    """Each program on the PATH (sbin included), with the package that has it."""
    own = str(Path(sys.executable).parent)
    path = os.pathsep.join((own, os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
    for program, package, purpose, needed in PROGRAMS:
        found = shutil.which(program, path=path)
        yield Finding(
            what=program,
            state=State.GOOD if found else State.MISSING if needed else State.LIMITED,
            text=f"{found}" if found else f"not found; needed for {purpose}",
            cure="" if found else f"apt-get install {package} (or: make setup)",
            needed=needed,
        )


def acceleration() -> Iterator[Finding]:
    """Whether QEMU really runs code under KVM; looking at /dev/kvm would not tell."""
    if shutil.which("qemu-system-x86_64") is None:
        return
    if kvm_works(LocalShell(), Deadline.after(SECONDS)):
        yield Finding(what="acceleration", state=State.GOOD, text="a guest ran under KVM")
        return
    device = (
        "/dev/kvm is there but no guest runs under it"
        if Path("/dev/kvm").exists()
        else ("there is no /dev/kvm")
    )
    yield Finding(
        what="acceleration",
        state=State.LIMITED,
        text=f"{device}: nested hosts run under TCG, several times slower",
        cure="enable virtualisation in the firmware, load kvm_intel or kvm_amd, join group kvm",
        needed=False,
    )


def bindings() -> Iterator[Finding]:
    """libvirt's Python binding, which every suite goes through."""
    found = importlib.util.find_spec("libvirt") is not None
    yield Finding(
        what="libvirt-python",
        state=State.GOOD if found else State.MISSING,
        text="importable" if found else "not importable; no suite can run",
        cure=""
        if found
        else "apt-get install libvirt-dev pkg-config gcc python3-dev; pip install libvirt-python",
    )


def libvirt_answers() -> Iterator[Finding]:
    """The test driver always must; the system daemon need not run for nested hosts."""
    if shutil.which("virsh") is None:
        return
    for uri, needed in (("test:///default", True), ("qemu:///system", False)):
        done = LocalShell().run(
            ("virsh", "-c", uri, "hostname"),
            Deadline.after(SECONDS),
            env={"LIBVIRT_AUTOSTART": "0"},
        )
        yield Finding(
            what=uri,
            state=State.GOOD if done.ok else State.MISSING if needed else State.LIMITED,
            text="libvirt answers" if done.ok else _last_line(done.stderr),
            cure="" if done.ok or needed else "only needed to test this machine's own QEMU",
            needed=needed,
        )


def disk() -> Iterator[Finding]:
    """Room for images, mirrors and build caches in the cache folder."""
    folder = cache_folder()
    free = shutil.disk_usage(folder).free / 2**30
    enough = free >= NEEDED_GIB
    yield Finding(
        what="disk",
        state=State.GOOD if enough else State.MISSING,
        text=f"{free:.0f} GiB free in {folder}; {NEEDED_GIB} are needed",
        cure="" if enough else "free some space, or point XDG_CACHE_HOME elsewhere",
    )


def memory() -> Iterator[Finding]:
    """Available memory; a nested host takes about 1.8 GiB."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    kib = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    mib = kib // 1024
    enough = mib >= NEEDED_MEMORY_MIB
    yield Finding(
        what="memory",
        state=State.GOOD if enough else State.MISSING,
        text=f"{mib} MiB available; {NEEDED_MEMORY_MIB} are needed for one nested host",
        cure="" if enough else "end something, or use hosts of kind ssh",
    )


def user() -> Iterator[Finding]:
    """Root, or a user whose namespaces let mmdebstrap work."""
    if os.geteuid() == 0:
        yield Finding(what="user", state=State.GOOD, text="root")
        return
    done = LocalShell().run(("unshare", "-Ur", "true"), Deadline.after(SECONDS))
    yield Finding(
        what="user",
        state=State.GOOD if done.ok else State.MISSING,
        text="an ordinary user"
        + ("" if done.ok else " without user namespaces: no image can be built"),
        cure="" if done.ok else "sysctl kernel.unprivileged_userns_clone=1, or build as root",
    )


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1] if text.strip() else "no answer"


CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    programs,
    bindings,
    libvirt_answers,
    acceleration,
    user,
    disk,
    memory,
)
