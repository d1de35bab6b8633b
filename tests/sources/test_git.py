"""A git repository as a source: what is exported, of which commit, and what is refused."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from ci.errors import InfraError, UsageError
from ci.run import Step
from ci.sources.git import GitSource
from tests.sources.conftest import Talk, commit, make_repository, read_plan, snapshot, text, tool


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


def test_paths_are_seen_from_the_plan_and_nothing_is_done_to_decide(tmp_path: Path) -> None:
    source = GitSource(url="../project", ref="v1", patches=("fix.patch",)).located(tmp_path / "p")
    assert Path(source.url).resolve() == tmp_path / "project"
    assert source.patches == (str(tmp_path / "p/fix.patch"),)
    assert [line.split()[0] for line in source.decided()] == ["fetch", "apply"]
    for url in ("https://host/x", "ssh://host/x", "host:x"):
        assert GitSource(url=url).located(tmp_path).url == url


def test_a_source_survives_the_journal(repository: Path) -> None:
    source = GitSource(url=str(repository), ref="v1.0.0")
    assert msgspec.json.decode(msgspec.json.encode(source), type=GitSource) == source
