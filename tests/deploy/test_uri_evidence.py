"""Over the SSH of a URI comes what a host can tell; what it hides is said in one line."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci.deadline import Deadline
from ci.deploy.evidence import marked
from ci.deploy.urievidence import gather_at, mark_at, place_of
from ci.deploy.uriremote import UriRemote
from ci.errors import InfraError
from ci.ssh_uri import write_ssh_command
from tests.root import need_root
from tests.sshd import Sshd, make_key, running_sshd, trust

pytestmark = pytest.mark.real
SECONDS = 120.0


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    """A host with a folder of cores of its own."""
    folder, cores = tmp_path / "sshd", tmp_path / "crash"
    folder.mkdir()
    cores.mkdir()
    Path("/var/crash").mkdir(exist_ok=True)
    yield from running_sshd(folder, instead={"/var/crash": cores})


def reached(sshd: Sshd, known_hosts: str = "known_hosts") -> UriRemote:
    folder = sshd.folder
    ssh = write_ssh_command(
        folder, key=str(folder / "client"), known_hosts=str(folder / known_hosts)
    )
    return UriRemote((str(ssh), "-p", str(sshd.port), "-l", sshd.user, "--", sshd.address))


def core_of(program: str, path: Path) -> bytes:
    """A real core of a process that has this name."""
    copy = path.parent / program
    copy.write_bytes(Path("/bin/sleep").resolve().read_bytes())
    copy.chmod(0o755)
    with subprocess.Popen((str(copy), "600")) as process:
        dump = ("gdb", "-batch", "-nx", "-p", str(process.pid), "-ex", f"generate-core-file {path}")
        subprocess.run(dump, check=True, capture_output=True, timeout=SECONDS)
        process.send_signal(signal.SIGKILL)
    copy.unlink()
    return path.read_bytes()


def test_new_cores_of_our_programs_come_and_nothing_there_is_changed(
    sshd: Sshd, tmp_path: Path
) -> None:
    cores, folder, host = tmp_path / "crash", tmp_path / "evidence", reached(sshd)
    core_of("libvirtd", cores / "core.old")
    mark_at(host, folder, Deadline.after(SECONDS))
    whole = core_of("libvirtd", cores / "core.1")
    core_of("somebody", cores / "core.2")
    gather_at(host, "qemu", folder, Deadline.after(SECONDS))
    (kept,) = (folder / "cores").iterdir()
    assert kept.name.startswith("core.libvirtd.")
    assert gzip.decompress(kept.read_bytes()) == whole
    assert {core.name for core in cores.iterdir()} == {"core.old", "core.1", "core.2"}
    assert not list(folder.glob(".cores-*"))


def test_a_core_that_is_written_over_is_new(sshd: Sshd, tmp_path: Path) -> None:
    cores, folder, host = tmp_path / "crash", tmp_path / "evidence", reached(sshd)
    core_of("libvirtd", cores / "core")
    mark_at(host, folder, Deadline.after(SECONDS))
    (cores / "core").unlink()
    core_of("libvirtd", cores / "core")
    gather_at(host, "qemu", folder, Deadline.after(SECONDS))
    assert len(list((folder / "cores").iterdir())) == 1


def test_a_host_with_another_key_is_told_nothing(sshd: Sshd, tmp_path: Path) -> None:
    trust(sshd.folder, sshd.port, make_key(tmp_path / "wrong"), "wrong")
    folder, host = tmp_path / "evidence", reached(sshd, "wrong")
    mark_at(host, folder, Deadline.after(SECONDS))
    assert marked(folder) is None
    gather_at(host, "qemu", folder, Deadline.after(SECONDS))
    (line,) = (folder / "missing.txt").read_text().splitlines()
    assert line.startswith("cores and logs: the host cannot be asked: ssh: ")
    assert [path.name for path in folder.iterdir()] == ["missing.txt"]


def test_who_is_not_root_is_told_what_is_hidden(tmp_path: Path) -> None:
    need_root("to be somebody else")
    nobody = UriRemote(("setpriv", "--reuid=65534", "--clear-groups", "sh", "-c"))
    gather_at(nobody, "qemu", tmp_path, Deadline.after(SECONDS))
    first = (tmp_path / "missing.txt").read_text().splitlines()[0]
    assert first == (
        "cores and libvirt's logs: nobody is not root there, so they may be hidden;"
        " a URI of root@ shows them"
    )


def test_a_command_that_fails_leaves_no_half_of_a_file(tmp_path: Path) -> None:
    here = UriRemote(("sh", "-c"))
    with pytest.raises(InfraError, match=r"cat failed there: .*No such file"):
        here.fetch(("cat", "/nothing/here"), tmp_path / "file", Deadline.after(SECONDS))
    assert not (tmp_path / "file").exists()


@pytest.mark.parametrize(
    ("log", "place"),
    [
        ("/var/log/libvirt/qemu/a.log", "var-log-libvirt/qemu/a.log"),
        ("/var/log/xen/../../../etc/x", "var-log-xen/etc/x"),
    ],
)
def test_a_log_never_lands_outside_of_the_evidence(tmp_path: Path, log: str, place: str) -> None:
    assert place_of(log, tmp_path) == tmp_path / place
    assert os.path.commonpath((place_of(log, tmp_path), tmp_path)) == str(tmp_path)
