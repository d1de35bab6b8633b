from __future__ import annotations

import errno
import hashlib
import http.server
import io
import shutil
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ci.errors import InfraError, UsageError
from ci.run import Step
from ci.sources.content import file_sha256
from ci.sources.git import GitSource
from ci.sources.tarball import TarballSource
from tests.sources.conftest import read_plan, snapshot, tool

CONTENT = "one\ntwo\nTHREE\n"


def pack(path: Path, *members: tuple[str, object], mode: str = "w:gz") -> Path:
    """A member's value: bytes or text of a file, or a prepared TarInfo."""
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, value in members:
            if isinstance(value, tarfile.TarInfo):
                value.name = name
                tar.addfile(value)
                continue
            info = tarfile.TarInfo(name)
            data = str(value).encode()
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def special(kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo()
    info.type, info.linkname = kind, target
    return info


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return pack(tmp_path / "thing-1.2.tar.gz", ("thing-1.2/a.c", CONTENT))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    """Serves tmp_path/www; the list holds what was asked for."""
    asked: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(tmp_path / "www"))  # type: ignore[arg-type]

        def do_GET(self) -> None:
            asked.append(self.path)
            if self.path.startswith("/short"):
                self.send_response(200)
                self.send_header("Content-Length", "1000")
                self.end_headers()
                self.wfile.write(b"x")
            elif self.path.startswith("/sick"):
                self.send_error(503)
            else:
                super().do_GET()

        def log_message(self, *args: object) -> None: ...

    (tmp_path / "www").mkdir()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_address[1]}", asked
        httpd.shutdown()
        thread.join()


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_an_archive_is_unpacked_without_its_top_folder(
    step: Step, tmp_path: Path, mode: str
) -> None:
    archive = pack(tmp_path / "thing-1.2.tar", ("thing-1.2/a.c", CONTENT), mode=mode)
    tree = TarballSource(path=str(archive)).fetch(step)
    assert Path(tree.path, "a.c").read_text() == CONTENT
    assert tree.revision == file_sha256(archive)
    assert tree.version == "1.2"


def test_the_digest_is_that_of_the_same_files_in_git(step: Step, repository: Path) -> None:
    committed = GitSource(url=str(repository)).fetch(step)
    archive = repository.parent / "x.tar.gz"
    tool("git", "archive", "--prefix=x/", "-o", str(archive), "HEAD", cwd=repository)
    tree = TarballSource(path=str(archive)).fetch(step)
    assert tree.digest == committed.digest
    assert tree.revision != committed.revision


def test_several_top_entries_stay(step: Step, tmp_path: Path) -> None:
    archive = pack(tmp_path / "x.tar.gz", ("a/f", "x"), ("b", "y"))
    tree = TarballSource(path=str(archive)).fetch(step)
    assert Path(tree.path, "a/f").exists()
    assert Path(tree.path, "b").exists()


def test_a_digest_that_differs_is_told_with_both(step: Step, archive: Path) -> None:
    wanted = "0" * 64
    with pytest.raises(UsageError) as error:
        TarballSource(path=str(archive), sha256=wanted).fetch(step)
    assert wanted in error.value.message
    assert file_sha256(archive) in error.value.message
    assert not (step.folder / "tree").exists()
    good = TarballSource(path=str(archive), sha256=file_sha256(archive))
    assert good.fetch(step).revision == file_sha256(archive)


def test_patches_go_on_top(step: Step, archive: Path, patch: Callable[..., str]) -> None:
    tree = TarballSource(path=str(archive), patches=(patch("1.patch"),)).fetch(step)
    assert "patched" in Path(tree.path, "a.c").read_text()
    assert tree.revision.endswith(f"-patched-{tree.digest[:8]}")


HOSTILE: dict[str, list[tuple[str, object]]] = {
    "absolute name": [("/tmp/virtci-escaped", "x")],
    "parent name": [("x/../../escaped", "x")],
    "absolute link": [("x/l", special(tarfile.SYMTYPE, "/etc/passwd"))],
    "link upwards": [("x/l", special(tarfile.SYMTYPE, "../../escaped"))],
    "hard link upwards": [("x/l", special(tarfile.LNKTYPE, "../escaped"))],
    "hard link to nothing": [("x/l", special(tarfile.LNKTYPE, "x/none"))],
    "device": [("x/null", special(tarfile.CHRTYPE))],
    "pipe": [("x/pipe", special(tarfile.FIFOTYPE))],
    "link behind a link": [
        ("x/l", special(tarfile.SYMTYPE, ".")),
        ("x/l/m", special(tarfile.SYMTYPE, "../y")),
    ],
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_archive_is_refused_and_nothing_escapes(
    step: Step, tmp_path: Path, what: str
) -> None:
    archive = pack(tmp_path / "evil.tar", *HOSTILE[what], mode="w")
    with pytest.raises(UsageError, match=r"^evil\.tar: .*(refused|not there)"):
        TarballSource(path=str(archive)).fetch(step)
    assert not list(tmp_path.rglob("*escaped"))
    assert not Path("/tmp/virtci-escaped").exists()
    assert not (step.folder / "tree").exists()


def test_nothing_is_written_through_a_link_of_the_archive(step: Step, tmp_path: Path) -> None:
    members = [("x/l", special(tarfile.SYMTYPE, "d")), ("x/l/f", "x"), ("x/d/g", "y")]
    archive = pack(tmp_path / "evil.tar", *members, mode="w")
    with pytest.raises(UsageError, match="a folder and a link"):
        TarballSource(path=str(archive)).fetch(step)


def test_the_last_of_two_members_with_one_name_counts(step: Step, tmp_path: Path) -> None:
    archive = pack(tmp_path / "x.tar", ("x/a", "first"), ("x/a", "last"))
    tree = TarballSource(path=str(archive)).fetch(step)
    assert Path(tree.path, "a").read_text() == "last"


def test_a_folder_where_a_file_was_is_told(step: Step, tmp_path: Path) -> None:
    for members in ((("x/a", "f"), ("x/a/b", "g")), (("x/a/b", "g"), ("x/a", "f"))):
        archive = pack(tmp_path / "x.tar", *members)
        with pytest.raises(UsageError, match=r"^x\.tar: "):
            TarballSource(path=str(archive)).fetch(step)


def test_a_full_disk_is_the_lab_s_fault(
    step: Step, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "somewhere")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(InfraError, match="somewhere: No space left on device"):
        TarballSource(path=str(archive)).fetch(step)


def test_links_inside_and_modes_are_kept_but_no_setuid(step: Step, tmp_path: Path) -> None:
    run = special(tarfile.REGTYPE)
    run.mode = 0o4777
    members = [
        ("x/run", run),
        ("x/same", special(tarfile.LNKTYPE, "x/run")),
        ("x/sub/link", special(tarfile.SYMTYPE, "../run")),
    ]
    archive = pack(tmp_path / "x.tar", *members, mode="w")
    tree = Path(TarballSource(path=str(archive)).fetch(step).path)
    assert (tree / "run").stat().st_mode & 0o7777 == 0o755
    assert (tree / "same").stat().st_mode & 0o100
    assert (tree / "sub/link").readlink() == Path("../run")


@pytest.mark.parametrize("cut", [0, 10, 100])
def test_a_cut_or_foreign_file_is_told(step: Step, tmp_path: Path, archive: Path, cut: int) -> None:
    broken = tmp_path / "broken.tar.gz"
    broken.write_bytes(archive.read_bytes()[:cut])
    with pytest.raises(UsageError, match="is no whole tar archive"):
        TarballSource(path=str(broken)).fetch(step)


def test_a_missing_file_is_told_and_a_file_url_works(
    step: Step, tmp_path: Path, archive: Path
) -> None:
    with pytest.raises(UsageError, match="no such file"):
        TarballSource(path="none.tar").located(tmp_path).fetch(step)
    assert TarballSource(url=archive.as_uri()).fetch(step).version == "1.2"


def test_a_download_is_checked_kept_and_not_repeated(
    step: Step, archive: Path, server: tuple[str, list[str]]
) -> None:
    url, asked = server
    archive.rename(archive.parent / "www" / "thing-1.2.tar.gz")
    sha256 = file_sha256(archive.parent / "www" / "thing-1.2.tar.gz")
    source = TarballSource(url=f"{url}/thing-1.2.tar.gz", sha256=sha256)
    first = source.fetch(step)
    assert source.fetch(step) == first
    assert first.version == "1.2"
    assert asked == ["/thing-1.2.tar.gz"]


def test_a_kept_download_that_was_damaged_is_fetched_again(
    step: Step, archive: Path, server: tuple[str, list[str]], tmp_path: Path
) -> None:
    url, asked = server
    sha256 = file_sha256(archive)
    archive.rename(tmp_path / "www" / "t.tar.gz")
    source = TarballSource(url=f"{url}/t.tar.gz", sha256=sha256)
    source.fetch(step)
    kept = tmp_path / "cache/virtci/tarballs" / sha256 / "t.tar.gz"
    kept.write_bytes(b"half")
    assert source.fetch(step).revision == sha256
    assert len(asked) == 2


def test_a_server_with_another_file_is_told_with_both_digests_and_not_kept(
    step: Step, archive: Path, server: tuple[str, list[str]], tmp_path: Path
) -> None:
    found = file_sha256(archive)
    archive.rename(tmp_path / "www" / "t.tar.gz")
    with pytest.raises(UsageError, match=f"the sha256 is {found}, but the plan says {'1' * 64}"):
        TarballSource(url=f"{server[0]}/t.tar.gz", sha256="1" * 64).fetch(step)
    assert not [p for p in (tmp_path / "cache").rglob("*") if p.name == "t.tar.gz"]


def test_whose_fault_a_failed_download_is(step: Step, server: tuple[str, list[str]]) -> None:
    some = hashlib.sha256(b"").hexdigest()
    with pytest.raises(UsageError, match="404"):
        TarballSource(url=f"{server[0]}/none.tar", sha256=some).fetch(step)
    for url in (f"{server[0]}/sick.tar", f"{server[0]}/short.tar", "http://127.0.0.1:9/x.tar"):
        with pytest.raises(InfraError):
            TarballSource(url=url, sha256=some).fetch(step)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        ({}, "either path or url"),
        ({"path": "a", "url": "file:///a"}, "either path or url"),
        ({"url": "https://host/a.tar"}, "needs its sha256"),
        ({"url": "ftp://host/a.tar"}, "of no kind used here"),
        ({"url": "a.tar"}, 'use "path"'),
        ({"url": "debian-source:-oDir=/x"}, "debian-source:NAME"),
        ({"url": "debian-source:Lib virt"}, "debian-source:NAME"),
        ({"path": "a", "sha256": "abc"}, "sha256"),
    ],
)
def test_a_wrong_plan_is_told_when_it_is_read(data: dict[str, str], what: str) -> None:
    with pytest.raises(UsageError, match=what):
        read_plan(**{"kind": "tarball", **data})


def test_what_would_be_done_is_told() -> None:
    assert "signed index" in TarballSource(url="debian-source:libvirt").decided()[0]


@pytest.mark.real
def test_the_original_tarball_of_a_debian_source_package(step: Step) -> None:
    system = Path("/var/lib/apt"), Path("/etc/apt")
    before = [snapshot(folder) for folder in system]
    tree = TarballSource(url="debian-source:hello").fetch(step)
    assert Path(tree.path, "src/hello.c").is_file()
    assert tree.version[0].isdigit()
    assert TarballSource(url="debian-source:hello").fetch(step) == tree
    with pytest.raises(UsageError, match=r"no version 0\.0; there is: "):
        TarballSource(url="debian-source:hello=0.0").fetch(step)
    with pytest.raises(UsageError, match="no source package no-such-thing"):
        TarballSource(url="debian-source:no-such-thing").fetch(step)
    assert [snapshot(folder) for folder in system] == before
