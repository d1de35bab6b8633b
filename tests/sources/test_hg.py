from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ci.errors import InfraError, UsageError
from ci.places import cache_folder
from ci.run import Step
from ci.sources.hg import HgSource
from tests.sources.conftest import Talk, read_plan, tool

real = pytest.mark.real


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The commits: Start (tag 1.0), the tag's own, Go on."""
    path = tmp_path / "project"
    tool("hg", "init", str(path))
    (path / "a.c").write_text("one\ntwo\nthree\n")
    tool("hg", "commit", "-q", "-A", "-m", "Start", cwd=path)
    tool("hg", "tag", "1.0", cwd=path)
    (path / "a.c").write_text("one\ntwo\nTHREE\n")
    tool("hg", "commit", "-q", "-m", "Go on", cwd=path)
    return path


@real
def test_the_tip_of_the_default_branch_is_exported(step: Step, repository: Path) -> None:
    tree = HgSource(url=str(repository)).fetch(step)
    assert sorted(p.name for p in Path(tree.path).iterdir()) == [".hgtags", "a.c"]
    assert tree.revision == tool("hg", "log", "-r", "tip", "-T", "{node}", cwd=repository)
    assert tree.version == f"1.0+2.{tree.revision[:12]}"


@real
def test_a_tag_and_a_short_id_are_found_and_patched(
    step: Step, repository: Path, patch: Callable[..., str]
) -> None:
    tagged = HgSource(url=str(repository), rev="1.0").fetch(step)
    assert tagged.version == "1.0"
    assert HgSource(url=str(repository), rev=tagged.revision[:10]).fetch(step).revision == (
        tagged.revision
    )
    tree = HgSource(url=str(repository), patches=(patch("1.patch"),)).fetch(step)
    assert "patched" in Path(tree.path, "a.c").read_text()
    assert tree.revision.endswith(f"-patched-{tree.digest[:8]}")


@real
def test_commits_since_a_revision_are_told(step: Step, repository: Path) -> None:
    start = tool("hg", "log", "-r", "1.0", "-T", "{node}", cwd=repository)
    source = HgSource(url=str(repository))
    tree = source.fetch(step, since=start)
    assert [c.subject for c in tree.commits] == [
        "Go on",
        "Added tag 1.0 for changeset " + start[:12],
    ]
    assert tree.commits[0].author == "Ann"
    assert source.fetch(step, since=tree.revision).commits == ()


@real
def test_a_new_changeset_is_pulled_and_a_damaged_copy_is_made_anew(
    step: Step, repository: Path, talk: Talk
) -> None:
    source = HgSource(url=str(repository))
    first = source.fetch(step)
    (mirror,) = (p for p in cache_folder("hg").iterdir() if p.is_dir())
    (mirror / ".hg/store/00manifest.i").write_bytes(b"\0garbage" * 40)
    (repository / "new").write_text("x")
    tool("hg", "commit", "-q", "-A", "-m", "New", cwd=repository)
    second = source.fetch(step)
    assert Path(second.path, "new").exists()
    assert second.revision != first.revision
    assert "is damaged, making it anew" in talk.text


@real
def test_a_revision_that_does_not_exist_is_told_with_near_ones(
    step: Step, repository: Path
) -> None:
    with pytest.raises(UsageError, match=r'"defualt"; near to it: default'):
        HgSource(url=str(repository), rev="defualt").fetch(step)
    with pytest.raises(UsageError, match="is 3 revisions, not one"):
        HgSource(url=str(repository), rev="all()").fetch(step)


@real
def test_whose_fault_a_missing_repository_is(step: Step, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    for name, what in (("none", "no such folder"), ("plain", "no Mercurial repository")):
        with pytest.raises(UsageError, match=what):
            HgSource(url=str(tmp_path / name)).fetch(step)
    with pytest.raises(InfraError, match="cannot pull"):
        HgSource(url="http://127.0.0.1:9/x").fetch(step)


@pytest.mark.parametrize(
    ("key", "value"), [("url", "--config=x"), ("rev", "-x"), ("url", "bundle://x"), ("rev", "")]
)
def test_a_dangerous_value_is_refused(key: str, value: str) -> None:
    with pytest.raises(UsageError, match=r"^plan\.toml: source: "):
        read_plan(**{"kind": "hg", "url": "https://host/x", key: value})
