from __future__ import annotations

import base64
import dataclasses
import http.server
import multiprocessing
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ci.deadline import Deadline
from ci.errors import InfraError, UsageError
from ci.places import cache_folder
from ci.run import Step
from ci.shell import Argv, Completed, LocalShell
from ci.sources.git import GitSource
from tests.sources.conftest import Talk, commit, make_repository, read_plan, snapshot, tool

Patch = Callable[..., str]


def mirror() -> Path:
    return next(path for path in cache_folder("git").iterdir() if path.is_dir())


def text(tree_path: str, name: str) -> str:
    return Path(tree_path, name).read_text()


def test_the_tip_is_exported_without_git_s_own_files(step: Step, repository: Path) -> None:
    tree = GitSource(url=str(repository)).fetch(step)
    files = {str(p.relative_to(tree.path)) for p in Path(tree.path).rglob("*") if p.is_file()}
    assert files == {"a.c", "src/b.c"}
    assert Path(tree.path) == step.folder / "tree"
    assert tree.revision == tool("git", "rev-parse", "HEAD", cwd=repository)
    assert not tree.dirty


@pytest.mark.parametrize("ref", ["v1.0.0", "HEAD~1", "old", "COMMIT", "SHORT", "refs/tags/v1.0.0"])
def test_a_branch_a_tag_and_a_commit_are_found(step: Step, repository: Path, ref: str) -> None:
    tool("git", "branch", "old", "v1.0.0", cwd=repository)
    first = tool("git", "rev-parse", "v1.0.0", cwd=repository)
    ref = {"COMMIT": first, "SHORT": first[:8]}.get(ref, ref)
    tree = GitSource(url=str(repository), ref=ref).fetch(step)
    assert tree.revision == first
    assert text(tree.path, "a.c").endswith("three\n")


def test_the_version_comes_from_the_tag_and_suits_rpm(step: Step, repository: Path) -> None:
    head = tool("git", "rev-parse", "HEAD", cwd=repository)
    assert GitSource(url=str(repository)).fetch(step).version == f"1.0.0+1.g{head[:9]}"
    assert GitSource(url=str(repository), ref="v1.0.0").fetch(step).version == "1.0.0"


def test_a_new_commit_is_seen_through_the_kept_copy(step: Step, repository: Path) -> None:
    source = GitSource(url=str(repository))
    first = source.fetch(step)
    inode = mirror().stat().st_ino
    newest = commit(repository, "More", a_c="new\n")
    second = source.fetch(step)
    assert second.revision == newest
    assert text(second.path, "a.c") == "new\n"
    assert first.digest != second.digest
    assert mirror().stat().st_ino == inode


def test_a_known_commit_needs_no_network(step: Step, repository: Path) -> None:
    head = tool("git", "rev-parse", "HEAD", cwd=repository)
    source = GitSource(url=repository.as_uri(), ref=head)
    first = source.fetch(step)
    repository.rename(repository.with_name("gone"))
    assert source.fetch(step) == first


def test_the_second_fetch_takes_the_finished_tree(step: Step, repository: Path) -> None:
    source = GitSource(url=str(repository))
    first = source.fetch(step)
    inode = Path(first.path).stat().st_ino
    assert source.fetch(step) == first
    assert Path(first.path).stat().st_ino == inode


def test_a_tree_that_somebody_changed_is_made_again(step: Step, repository: Path) -> None:
    source = GitSource(url=str(repository))
    first = source.fetch(step)
    Path(first.path, "a.c").write_text("scribble")
    assert source.fetch(step) == first
    assert text(first.path, "a.c") == "one\ntwo\nTHREE\n"


def test_what_an_interrupted_fetch_left_is_not_used(step: Step, repository: Path) -> None:
    left = step.folder / "tree.new"
    left.mkdir()
    (left / "half").write_text("x")
    tree = GitSource(url=str(repository)).fetch(step)
    assert not Path(tree.path, "half").exists()
    assert not left.exists()


def test_commits_since_a_revision_are_told_newest_first(step: Step, repository: Path) -> None:
    start = tool("git", "rev-parse", "v1.0.0", cwd=repository)
    commit(repository, "Third", a_c="3\n")
    tree = GitSource(url=str(repository)).fetch(step, since=start)
    assert [c.subject for c in tree.commits] == ["Third", "Go on"]
    assert tree.commits[0].author == "Ann"
    assert tree.commits[0].date == "2024-05-01T12:00:00+00:00"
    assert tree.commits[0].id == tree.revision
    patched = f"{start}-patched-12345678"
    assert GitSource(url=str(repository)).fetch(step, since=patched).commits == tree.commits


def test_an_unknown_former_revision_gives_no_commits_and_says_so(
    step: Step, repository: Path, talk: Talk
) -> None:
    tree = GitSource(url=str(repository)).fetch(step, since="1" * 40)
    assert tree.commits == ()
    assert "is not known here" in talk.text


def test_a_ref_that_does_not_exist_is_told_with_near_ones(step: Step, repository: Path) -> None:
    with pytest.raises(UsageError, match=r'no branch, tag or commit "v1.0.1".*v1\.0\.0'):
        GitSource(url=str(repository), ref="v1.0.1").fetch(step)
    with pytest.raises(UsageError, match="no branch, tag or commit"):
        GitSource(url=str(repository), ref="1" * 40).fetch(step)


def test_patches_go_on_top_in_order(step: Step, repository: Path, patch: Patch) -> None:
    second = Path(patch("2.patch", old="patched"))
    second.write_text(second.read_text().replace("+patched", "+twice"))
    plain = GitSource(url=str(repository)).fetch(step)
    tree = GitSource(url=str(repository), patches=(patch("1.patch"), str(second))).fetch(step)
    assert text(tree.path, "a.c") == "one\ntwice\nTHREE\n"
    assert tree.revision == f"{plain.revision}-patched-{tree.digest[:8]}"
    assert tree.digest != plain.digest


def test_a_patch_that_does_not_apply_is_named_with_file_and_hunk(
    step: Step, repository: Path, patch: Patch
) -> None:
    wrong = patch("wrong.patch", old="four")
    with pytest.raises(UsageError, match=r"wrong\.patch does not apply .*: a\.c, hunk #1") as error:
        GitSource(url=str(repository), patches=(wrong,)).fetch(step)
    assert error.value.hint
    assert not (step.folder / "tree").exists()


def test_a_patch_applies_inside_another_repository_too(
    step: Step, repository: Path, patch: Patch, tmp_path: Path
) -> None:
    tool("git", "init", "-q", cwd=tmp_path)
    tree = GitSource(url=str(repository), patches=(patch("1.patch"),)).fetch(step)
    assert "patched" in text(tree.path, "a.c")


def test_a_patch_cannot_write_outside_the_tree(
    step: Step, repository: Path, tmp_path: Path
) -> None:
    evil = tmp_path / "evil.patch"
    evil.write_text("--- /dev/null\n+++ b/../../escaped\n@@ -0,0 +1 @@\n+x\n")
    with pytest.raises(UsageError, match="does not apply"):
        GitSource(url=str(repository), patches=(str(evil),)).fetch(step)
    assert not list(tmp_path.rglob("escaped"))


def test_a_missing_patch_and_one_without_changes_are_told(
    step: Step, repository: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty.patch").write_text("only words\n")
    for name, what in (("none.patch", "cannot be read"), ("empty.patch", "is no patch")):
        with pytest.raises(UsageError, match=what):
            GitSource(url=str(repository), patches=(str(tmp_path / name),)).fetch(step)


def test_submodules_come_along(step: Step, repository: Path, tmp_path: Path) -> None:
    inner = make_repository(tmp_path / "inner")
    tool("git", "submodule", "--quiet", "add", "../inner", "lib/inner", cwd=repository)
    commit(repository, "Add a submodule")
    tree = GitSource(url=str(repository)).fetch(step)
    assert text(tree.path, "lib/inner/a.c") == (inner / "a.c").read_text()
    assert not Path(tree.path, "lib/inner/.git").exists()


def test_a_submodule_that_holds_its_own_parent_comes_to_an_end(
    step: Step, repository: Path
) -> None:
    tool("git", "submodule", "--quiet", "add", "../project", "self", cwd=repository)
    commit(repository, "Add itself")
    tree = GitSource(url=str(repository)).fetch(step)
    assert Path(tree.path, "self/a.c").exists()


def test_export_attributes_and_line_ends_do_not_change_the_files(
    step: Step, repository: Path
) -> None:
    commit(repository, "Attributes", _gitattributes="a.c export-ignore\n")
    assert (repository / ".gitattributes").exists()
    tree = GitSource(url=str(repository)).fetch(step)
    assert Path(tree.path, "a.c").exists()


def test_links_and_modes_survive(step: Step, repository: Path) -> None:
    (repository / "run").write_text("#!/bin/sh\n")
    (repository / "run").chmod(0o755)
    (repository / "link").symlink_to("/etc/passwd")
    commit(repository, "Modes")
    tree = GitSource(url=str(repository)).fetch(step)
    assert Path(tree.path, "run").stat().st_mode & 0o100
    assert Path(tree.path, "link").readlink() == Path("/etc/passwd")


@pytest.mark.parametrize("damage", ["a blob is gone", "torn objects", "no head", "zeroes"])
def test_a_damaged_copy_is_made_anew(step: Step, repository: Path, talk: Talk, damage: str) -> None:
    source = GitSource(url=str(repository))
    first = source.fetch(step)
    blob = tool("git", "rev-parse", "HEAD:src/b.c", cwd=repository)
    for path in mirror().rglob("objects/*/*"):
        if damage == "a blob is gone" and path.name == blob[2:]:
            path.unlink()
        elif damage == "torn objects":
            path.chmod(0o644)
            path.write_bytes(path.read_bytes()[:20])
    if damage == "no head":
        (mirror() / "HEAD").unlink()
    if damage == "zeroes":
        for name in ("HEAD", "config"):
            (mirror() / name).write_bytes(b"\0\0\0")
    (step.folder / "tree.json").unlink()
    assert source.fetch(step) == first
    assert "is damaged, making it anew" in talk.text


def test_a_copy_that_lost_every_object_is_filled_again(step: Step, repository: Path) -> None:
    source = GitSource(url=str(repository))
    first = source.fetch(step)
    for path in mirror().rglob("objects/*/*"):
        path.unlink()
    (step.folder / "tree.json").unlink()
    assert source.fetch(step) == first


def test_a_copy_that_was_never_finished_is_not_used(step: Step, repository: Path) -> None:
    source = GitSource(url=str(repository))
    source.fetch(step)
    folder = mirror()
    folder.rename(folder.with_name(f".partial-{folder.name}-new"))
    assert source.fetch(step).revision
    assert [p.name for p in cache_folder("git").iterdir() if p.is_dir()] == [folder.name]


def test_no_repository_there_is_the_user_s_fault(step: Step, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        GitSource(url=str(tmp_path / "nothing")).fetch(step)
    (tmp_path / "plain").mkdir()
    with pytest.raises(UsageError, match="no git repository"):
        GitSource(url=str(tmp_path / "plain")).fetch(step)
    tool("git", "init", "-q", str(tmp_path / "new"))
    with pytest.raises(UsageError, match="no commit yet"):
        GitSource(url=str(tmp_path / "new")).fetch(step)


def test_a_dead_server_is_the_lab_s_fault_and_no_user_is_shown(step: Step) -> None:
    source = GitSource(url="http://ann@127.0.0.1:9/x.git")
    with pytest.raises(InfraError, match="cannot fetch") as error:
        source.fetch(step)
    told = f"{error.value.message}{error.value.detail}{source.decided()}"
    assert "ann@" not in told
    assert "***@127.0.0.1" in told


def test_the_repository_is_only_read(step: Step, repository: Path) -> None:
    before = snapshot(repository)
    GitSource(url=str(repository)).fetch(step)
    assert snapshot(repository) == before


@pytest.mark.parametrize(
    ("key", "value", "what"),
    [
        ("url", "ext::sh -c touch% /tmp/x", "of no kind used here"),
        ("url", "ftp://host/x.git", "of no kind used here"),
        ("url", "--upload-pack=touch", "starts with a dash"),
        ("url", "https://ann:secret@host/x.git", "has a password in it"),
        ("ref", "--output=x", "starts with a dash"),
        ("ref", "", "ref is empty"),
        ("ref", "a\nb", "control character"),
        ("password_env", "TOKEN", "needs a user in the url"),
    ],
)
def test_a_dangerous_value_is_refused_when_the_plan_is_read(
    key: str, value: str, what: str
) -> None:
    data = {"kind": "git", "url": "https://host/x.git", key: value}
    with pytest.raises(UsageError, match=what) as error:
        read_plan(**data)
    assert "secret" not in error.value.message


def test_a_password_variable_that_is_not_set_is_named(step: Step) -> None:
    source = GitSource(url="https://ann@127.0.0.1:9/x.git", password_env="VIRTCI_NO_SUCH")
    with pytest.raises(UsageError, match="VIRTCI_NO_SUCH"):
        source.fetch(step)


@pytest.fixture
def guarded(repository: Path) -> Iterator[str]:
    """The repository over HTTP, for those who know the password."""
    bare = repository.with_name("bare.git")
    tool("git", "clone", "-q", "--bare", str(repository), str(bare))
    tool("git", "update-server-info", cwd=bare)
    expected = "Basic " + base64.b64encode(b"ann:s3cret").decode()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(bare.parent))  # type: ignore[arg-type]

        def do_GET(self) -> None:
            if self.headers.get("Authorization") == expected:
                return super().do_GET()
            self.send_response(401)
            self.send_header("WWW-Authenticate", "Basic realm=x")
            self.send_header("Content-Length", "0")
            return self.end_headers()

        def log_message(self, *args: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://ann@127.0.0.1:{server.server_address[1]}/bare.git"
        server.shutdown()
        thread.join()


def test_the_password_reaches_the_server_and_nothing_else(
    step: Step, guarded: str, monkeypatch: pytest.MonkeyPatch, talk: Talk
) -> None:
    seen: list[str] = []

    class Watched(LocalShell):
        def run(self, argv: Argv, *args: Any, **options: Any) -> Completed:
            seen.extend(argv)
            return super().run(argv, *args, **options)

    monkeypatch.setenv("ANNS_TOKEN", "s3cret")
    source = GitSource(url=guarded, password_env="ANNS_TOKEN")
    tree = source.fetch(dataclasses.replace(step, shell=Watched()))
    assert text(tree.path, "src/b.c") == "b\n"
    written = [p.read_bytes() for p in step.folder.parents[2].rglob("*") if p.is_file()]
    assert not any(b"s3cret" in content for content in written)
    assert "s3cret" not in "".join(seen) + talk.text


def test_a_wrong_password_is_told_without_it(
    step: Step, guarded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANNS_TOKEN", "wr0ng")
    with pytest.raises(InfraError, match="refuses us") as error:
        GitSource(url=guarded, password_env="ANNS_TOKEN").fetch(step)
    assert "wr0ng" not in error.value.detail
    assert "source.password_env" in error.value.hint
    with pytest.raises(InfraError, match="refuses us"):
        GitSource(url=guarded).fetch(step)


def test_the_variables_of_a_git_hook_do_not_lead_astray(
    step: Step, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patch: Patch
) -> None:
    other = make_repository(tmp_path / "other")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    before = snapshot(other)
    tree = GitSource(url=str(repository), patches=(patch("1.patch"),)).fetch(step)
    assert "patched" in text(tree.path, "a.c")
    assert snapshot(other) == before


def test_paths_are_seen_from_the_plan_and_nothing_is_done_to_decide(tmp_path: Path) -> None:
    source = GitSource(url="../project", ref="v1", patches=("fix.patch",)).located(tmp_path / "p")
    assert Path(source.url).resolve() == tmp_path / "project"
    assert source.patches == (str(tmp_path / "p/fix.patch"),)
    assert [line.split()[0] for line in source.decided()] == ["fetch", "apply"]
    for url in ("https://host/x", "ssh://host/x", "host:x"):
        assert GitSource(url=url).located(tmp_path).url == url


def _fetch(number: int, url: str, base: Path) -> None:
    folder = base / str(number)
    folder.mkdir(parents=True)
    step = Step("source", LocalShell(), Deadline.after(60), folder, folder, Talk())
    assert Path(GitSource(url=url).fetch(step).path, "a.c").exists()


def test_four_at_once_share_one_copy(repository: Path, tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("fork")
    workers = [
        spawn.Process(target=_fetch, args=(n, str(repository), tmp_path / "many")) for n in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0, 0, 0]
    assert len([p for p in cache_folder("git").iterdir() if p.is_dir()]) == 1


def test_a_source_survives_the_journal(repository: Path) -> None:
    source = GitSource(url=str(repository), ref="v1.0.0")
    assert msgspec.json.decode(msgspec.json.encode(source), type=GitSource) == source
