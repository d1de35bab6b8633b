"""Files through SFTP, against a real sshd on loopback."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci.deadline import Deadline, SystemClock
from ci.deploy.sshshell import SshShell
from ci.deploy.transfer import Limits
from ci.errors import InfraError, TimedOut, UsageError
from tests.root import need_root
from tests.sshd import Sshd

pytestmark = pytest.mark.real


def soon(seconds: float = 60.0) -> Deadline:
    return Deadline.after(seconds)


class OverOnceUploading(SystemClock):
    """All time is over as soon as an upload lies beside its place, however fast the machine is."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def monotonic(self) -> float:
        begun = any(path.stat().st_size for path in self._folder.glob(".virtci-*/*"))
        return super().monotonic() + (3600 if begun else 0)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_arrives_whole_in_a_new_folder(ssh: SshShell, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "new/folder/target"
    source.write_bytes(os.urandom(3_000_000))
    assert ssh.put(source, str(target), soon())
    assert target.read_bytes() == source.read_bytes()
    assert names(target.parent) == ["target"]


def test_a_file_that_is_there_is_not_sent_again(ssh: SshShell, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_text("same")
    assert ssh.put(source, str(target), soon())
    before = target.stat().st_ino
    assert not ssh.put(source, str(target), soon())
    assert target.stat().st_ino == before


def test_of_many_files_only_the_changed_ones_are_sent(ssh: SshShell, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    names = [*(str(n) for n in range(300)), "a b", "it's", "back\\slash", "-n", "é", "new\nline"]
    files = [(source / name, f"{tmp_path}/target/{name}") for name in names]
    for path, _ in files:
        path.write_text(path.name)
    assert len(ssh.put_many(files, soon())) == len(files)
    files[7][0].write_text("changed")
    (source / "-n").write_text("changed")
    assert set(ssh.put_many(files, soon())) == {files[7][1], f"{tmp_path}/target/-n"}
    for path, remote in files:
        assert Path(remote).read_text() == path.read_text()


def test_programs_stay_programs(ssh: SshShell, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("#!/bin/sh\n")
    (tmp_path / "run").chmod(0o755)
    ssh.put(tmp_path / "run", str(tmp_path / "there"), soon())
    assert os.access(tmp_path / "there", os.X_OK)


def test_a_local_file_that_is_missing_is_named(ssh: SshShell, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nothing cannot be read for upload"):
        ssh.put(tmp_path / "nothing", str(tmp_path / "target"), soon())


def test_a_folder_that_cannot_be_made_is_named(ssh: SshShell, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InfraError, match=r"cannot make .*file/below on loopback"):
        ssh.put(tmp_path / "file", str(tmp_path / "file/below/target"), soon())


def test_a_damaged_upload_is_noticed_and_swept(
    ssh: SshShell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "source").write_text("sent")
    monkeypatch.setattr("ci.deploy.upload.sha256_of", lambda path: "0" * 64)
    with pytest.raises(InfraError, match=r"cannot upload .*there/target to loopback"):
        ssh.put(tmp_path / "source", str(tmp_path / "there/target"), soon())
    assert names(tmp_path / "there") == []


def test_the_former_file_stays_when_an_upload_is_cut(own_sshd: Sshd, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "there/target"
    target.parent.mkdir()
    target.write_text("former")
    source.write_bytes(bytes(8_000_000))
    deadline = Deadline.after(60, OverOnceUploading(target.parent))
    with SshShell(own_sshd.target()) as shell, pytest.raises(TimedOut):
        shell.put(source, str(target), deadline)
    assert target.read_text() == "former"
    assert names(target.parent) == ["target"]


def test_a_dropped_connection_during_an_upload_is_a_lab_error(
    own_sshd: Sshd, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x")
    with SshShell(own_sshd.target()) as shell:
        shell.run(("true",), soon())
        with pytest.raises(InfraError, match="the SSH connection to loopback broke"):
            _look_while_it_drops(shell, own_sshd)
        assert shell.put(source, str(tmp_path / "target"), soon())


def _look_while_it_drops(shell: SshShell, server: Sshd) -> None:
    with shell.sftp("looking", soon()) as sftp:
        server.drop_connections()
        sftp.listdir_attr("/")


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one MiB."""
    need_root("mounting a small disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder))
    done = subprocess.run(mount, check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"a small disk needs root to mount: {done.stderr}"
    yield folder
    subprocess.run(("umount", str(folder)), check=True)


def test_a_full_disk_is_named_and_swept(ssh: SshShell, tmp_path: Path, full_disk: Path) -> None:
    (tmp_path / "source").write_bytes(bytes(3_000_000))
    with pytest.raises(InfraError, match=r"target.* loopback: the disk there is full") as caught:
        ssh.put(tmp_path / "source", str(full_disk / "target"), soon())
    assert "free some space" in caught.value.hint
    assert "100%" in caught.value.detail
    assert names(full_disk) == []


def test_a_download_takes_the_end_of_what_is_too_large(ssh: SshShell, tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"old" * 500_000 + b"new")
    assert ssh.get(str(tmp_path / "log"), tmp_path / "here/log", soon(), limit=3) == 3
    assert (tmp_path / "here/log").read_bytes() == b"new"
    assert ssh.get(str(tmp_path / "log"), tmp_path / "here/log", soon()) == 1_500_003
    assert (tmp_path / "here/log").read_bytes() == (tmp_path / "log").read_bytes()


def test_a_download_of_nothing_says_so(ssh: SshShell, tmp_path: Path) -> None:
    with pytest.raises(InfraError, match=r"cannot read .*nothing on loopback"):
        ssh.get(str(tmp_path / "nothing"), tmp_path / "here", soon())
    assert not (tmp_path / "here").exists()


def test_a_folder_is_taken_newest_first_within_its_limits(ssh: SshShell, tmp_path: Path) -> None:
    there = tmp_path / "there"
    (there / "sub").mkdir(parents=True)
    for age, name in enumerate(("sub/newest", "newer", "old")):
        (there / name).write_bytes(b"x" * 100)
        os.utime(there / name, (1e9 - age, 1e9 - age))
    (there / "link").symlink_to("/etc/passwd")
    os.mkfifo(there / "pipe")
    fetched = ssh.get_tree(str(there), tmp_path / "here", soon(), limits=Limits(total_bytes=200))
    assert (fetched.files, fetched.left_out) == (("sub/newest", "newer"), ("old",))
    assert (tmp_path / "here/sub/newest").read_bytes() == b"x" * 100


def test_a_folder_that_is_not_there_is_empty(ssh: SshShell, tmp_path: Path) -> None:
    fetched = ssh.get_tree(str(tmp_path / "no"), tmp_path / "here", soon(), limits=Limits())
    assert fetched.files == ()
