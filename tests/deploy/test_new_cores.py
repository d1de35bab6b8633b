"""Behind a suite the host is asked which of our programs left a core: by names and heads alone."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from ci.deadline import Deadline
from ci.deploy import localcores
from ci.deploy.boot import BOOT_ID
from ci.deploy.evidence import mark
from ci.deploy.newcores import (
    BOOTED,
    NO_MARK,
    NO_WAY_IN,
    look_for_cores,
    look_for_cores_at,
)
from ci.deploy.urievidence import mark_at
from ci.model import Access, Looked
from ci.shell import LocalShell, must
from tests.crash.crashing import build_daemon, core_of
from tests.deploy.test_local_evidence import access as access_here
from tests.deploy.test_uri_evidence import reached
from tests.sshd import Sshd, free_port, make_key, running_sshd, trust

pytestmark = pytest.mark.real
SECONDS = 120.0


@pytest.fixture
def cores(tmp_path: Path) -> Path:
    folder = tmp_path / "crash"
    folder.mkdir()
    return folder


@pytest.fixture
def sshd(cores: Path, tmp_path: Path) -> Iterator[Sshd]:
    """A host with a folder of cores of its own."""
    folder = tmp_path / "sshd"
    folder.mkdir()
    Path("/var/crash").mkdir(exist_ok=True)
    yield from running_sshd(folder, instead={"/var/crash": cores})


@pytest.fixture
def dump(tmp_path: Path) -> Callable[[str], Path]:
    """Makes a core, as the kernel writes it, of a program of this name."""
    daemon = build_daemon(tmp_path)
    count = 0

    def made(program: str) -> Path:
        nonlocal count
        count += 1
        copy = tmp_path / program
        copy.write_bytes(daemon.read_bytes())
        copy.chmod(0o755)
        return core_of(copy, "null", tmp_path / f"dump-{count}")

    return made


def access_of(sshd: Sshd) -> Access:
    target = sshd.target()
    return Access(
        name="h1", address=target.address, port=target.port, user=target.user, key=target.key,
        known_hosts=target.known_hosts, hypervisor="qemu", uri="qemu+ssh://h1/system",
        boot_id=must(LocalShell(), BOOT_ID, Deadline.after(SECONDS)).strip(),
    )  # fmt: skip


def mark_and_look(sshd: Sshd, folder: Path, *, lane: bool) -> Callable[[], Looked]:
    """Mark a host as a lane does, or as a command that has only its URI; what looks there then."""
    if lane:
        access = access_of(sshd)
        mark(access, folder, Deadline.after(SECONDS))
        return lambda: look_for_cores(access, folder, Deadline.after(SECONDS))
    host = reached(sshd)
    mark_at(host, folder, Deadline.after(SECONDS))
    return lambda: look_for_cores_at(host, folder, Deadline.after(SECONDS))


def programs(found: Looked) -> list[str]:
    assert not found.trouble
    return sorted(core.program for core in found.cores)


@pytest.mark.parametrize("lane", [True, False], ids=["lane", "uri"])
def test_only_new_cores_of_our_programs_are_told_of(
    sshd: Sshd, cores: Path, dump: Callable[[str], Path], tmp_path: Path, *, lane: bool
) -> None:
    dump("libvirtd").rename(cores / "core.old")
    (cores / "notes.txt").write_text("no core")
    (cores / "odd\tname").write_text("and an odd name")
    look = mark_and_look(sshd, tmp_path / "evidence", lane=lane)
    assert look() == Looked()
    dump("firefox").rename(cores / "core.libvirtd.4711")  # the name is only a name
    dump("libvirtd").rename(cores / "core.hang.libvirtd.7")  # taken of one that lives
    assert look() == Looked()
    dump("libvirtd").rename(cores / "core.rpc-worker.12")  # of a thread, as %e has it
    qemu = dump("qemu-system-x86")
    (cores / "core.gz").write_bytes(gzip.compress(qemu.read_bytes()))
    found = look()
    assert programs(found) == ["libvirtd", "qemu-system-x86"]
    assert all(core.pid > 1 for core in found.cores)
    assert {core.path for core in found.cores} == {
        "/var/crash/core.rpc-worker.12", "/var/crash/core.gz",
    }  # fmt: skip


def test_a_core_that_was_packed_since_is_an_old_one(
    sshd: Sshd, cores: Path, dump: Callable[[str], Path], tmp_path: Path
) -> None:
    core = dump("libvirtd").rename(cores / "core.12")
    look = mark_and_look(sshd, tmp_path / "evidence", lane=True)
    (cores / "core.12.gz").write_bytes(gzip.compress(core.read_bytes()))
    core.unlink()
    assert look() == Looked()


def test_a_core_is_dated_by_the_clock_of_this_machine(
    sshd: Sshd, cores: Path, dump: Callable[[str], Path], tmp_path: Path
) -> None:
    look = mark_and_look(sshd, tmp_path / "evidence", lane=False)
    core = dump("libvirtd").rename(cores / "core")
    (found,) = look().cores
    assert abs(found.at - core.stat().st_mtime) < SECONDS  # both are this machine's here


def test_who_cannot_look_says_why(sshd: Sshd, tmp_path: Path) -> None:
    trust(sshd.folder, sshd.port, make_key(tmp_path / "wrong"), "wrong")
    host, folder = reached(sshd), tmp_path / "evidence"
    assert look_for_cores_at(host, folder, Deadline.after(SECONDS)).trouble == NO_MARK
    assert look_for_cores_at(None, folder, Deadline.after(SECONDS)).trouble == NO_WAY_IN
    access = access_of(sshd)
    assert mark(access, folder, Deadline.after(SECONDS)) is not None
    wrong = look_for_cores_at(reached(sshd, "wrong"), folder, Deadline.after(SECONDS))
    assert wrong.trouble.startswith("ssh: ")
    gone = msgspec.structs.replace(access, port=free_port())
    assert "h1" in look_for_cores(gone, folder, Deadline.after(SECONDS)).trouble


def test_a_host_that_was_booted_anew_is_not_asked(sshd: Sshd, tmp_path: Path) -> None:
    folder, access = tmp_path / "evidence", access_of(sshd)
    before = msgspec.structs.replace(access, boot_id="another")
    mark(before, folder, Deadline.after(SECONDS))
    assert look_for_cores(access, folder, Deadline.after(SECONDS)).trouble == BOOTED
    assert look_for_cores_at(reached(sshd), folder, Deadline.after(SECONDS)).trouble == BOOTED


@pytest.fixture
def here(cores: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where cores of this machine go."""
    monkeypatch.setattr(localcores, "USUAL", (str(cores),))
    return cores


def test_of_this_machine_what_lies_there_and_what_was_kept_is_told_of_once(
    here: Path, dump: Callable[[str], Path], tmp_path: Path
) -> None:
    access, folder = access_here("test+unix:///default?socket=/nobody"), tmp_path / "evidence"
    dump("libvirtd").rename(here / "core.old")
    mark(access, folder, Deadline.after(SECONDS))
    core = dump("virtlogd").rename(here / "core")
    dump("firefox").rename(here / "core.1")
    localcores.keep(core, folder / "cores", LocalShell(), Deadline.after(SECONDS))
    found = look_for_cores(access, folder, Deadline.after(SECONDS))
    assert programs(found) == ["virtlogd"]
    core.unlink()
    kept = look_for_cores(access, folder, Deadline.after(SECONDS))
    assert [(one.program, one.pid, one.at) for one in kept.cores] == [
        (one.program, one.pid, one.at) for one in found.cores
    ]


def test_a_driver_in_our_own_process_has_no_daemon_to_be_looked_for(
    here: Path, dump: Callable[[str], Path], tmp_path: Path
) -> None:
    access, folder = access_here("test:///default"), tmp_path / "evidence"
    mark(access, folder, Deadline.after(SECONDS))
    dump("libvirtd").rename(here / "core")  # somebody else's
    assert look_for_cores(access, folder, Deadline.after(SECONDS)) == Looked()


def test_what_is_named_like_systemd_names_it_is_told_by_its_name() -> None:
    name = "core.virtqemud.0.0123456789abcdef0123456789abcdef.4711.1700000000000000.zst"
    assert localcores.told_by(name) == ("virtqemud", 4711)
    assert localcores.told_by(name.removesuffix(".zst")) == ("virtqemud", 4711)
