from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ci.errors import InfraError, UsageError
from ci.run import Step
from ci.sources.svn import SvnSource
from ci.sources.svnlog import parse_info, parse_log
from tests.sources.conftest import read_plan, tool

real = pytest.mark.real


@pytest.fixture
def trunk(tmp_path: Path) -> str:
    """Three revisions: trunk is made in 1, changed in 2; 3 changes something beside it."""
    store, work = tmp_path / "store", tmp_path / "svn work"
    tool("svnadmin", "create", str(store))
    tool("svn", "checkout", "-q", store.as_uri(), str(work))
    (work / "trunk@x").mkdir()
    (work / "trunk@x" / "a.c").write_text("one\ntwo\nthree\n")
    tool("svn", "add", "-q", "trunk@x@", cwd=work)
    tool("svn", "commit", "-q", "--username", "ann", "-m", "Start", cwd=work)
    (work / "trunk@x" / "a.c").write_text("one\ntwo\nTHREE\n")
    tool("svn", "commit", "-q", "--username", "ann", "-m", "Go on\n\nAt length", cwd=work)
    (work / "beside").write_text("x")
    tool("svn", "add", "-q", "beside", cwd=work)
    tool("svn", "commit", "-q", "--username", "ann", "-m", "Beside", cwd=work)
    return f"{store.as_uri()}/trunk@x"


@real
def test_the_newest_revision_is_exported(step: Step, trunk: str) -> None:
    tree = SvnSource(url=trunk).fetch(step)
    assert [p.name for p in Path(tree.path).iterdir()] == ["a.c"]
    assert tree.revision == "2"


@real
def test_an_older_revision_has_its_own_content_and_digest(step: Step, trunk: str) -> None:
    new = SvnSource(url=trunk).fetch(step)
    for revision in ("1", 1):
        old = SvnSource(url=trunk, revision=revision).fetch(step)
        assert Path(old.path, "a.c").read_text().endswith("three\n")
        assert old.revision == "1"
        assert old.digest != new.digest


@real
def test_patches_go_on_top(step: Step, trunk: str, patch: Callable[..., str]) -> None:
    tree = SvnSource(url=trunk, patches=(patch("1.patch"),)).fetch(step)
    assert "patched" in Path(tree.path, "a.c").read_text()
    assert tree.revision == f"2-patched-{tree.digest[:8]}"


@real
def test_commits_since_a_revision_are_told(step: Step, trunk: str) -> None:
    tree = SvnSource(url=trunk).fetch(step, since="1")
    assert [(c.id, c.author, c.subject) for c in tree.commits] == [("2", "ann", "Go on")]
    assert SvnSource(url=trunk).fetch(step, since="2").commits == ()


@real
def test_a_revision_or_folder_that_does_not_exist_is_the_user_s_fault(
    step: Step, trunk: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="has no revision 99"):
        SvnSource(url=trunk, revision="99").fetch(step)
    with pytest.raises(UsageError, match="nothing in a Subversion repository"):
        SvnSource(url=trunk.replace("trunk", "trink")).fetch(step)
    with pytest.raises(UsageError, match="nothing in a Subversion repository"):
        SvnSource(url=(tmp_path / "none").as_uri()).fetch(step)


@real
def test_a_path_is_a_repository_of_this_machine(step: Step, trunk: str, tmp_path: Path) -> None:
    source = SvnSource(url="store").located(tmp_path)
    assert Path(source.fetch(step).path, "trunk@x", "a.c").exists()
    with pytest.raises(UsageError, match="no such folder"):
        SvnSource(url=str(tmp_path / "none")).fetch(step)


@real
def test_a_dead_server_is_the_lab_s_fault(step: Step) -> None:
    with pytest.raises(InfraError, match="svn failed"):
        SvnSource(url="svn://127.0.0.1:9/x").fetch(step)


@pytest.mark.parametrize(
    ("key", "value", "what"),
    [
        ("revision", "-x", "regex|pattern|match"),
        ("url", "svn+evil://host/x", "of no kind used here"),
        ("user", "--config-dir=x", "starts with a dash"),
        ("password_env", "X", "needs the key user"),
    ],
)
def test_a_dangerous_value_is_refused(key: str, value: str, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        read_plan(**{"kind": "svn", "url": "svn://host/x", key: value})


def test_answers_that_are_no_xml_or_a_bomb_are_the_lab_s_fault() -> None:
    bomb = '<!DOCTYPE a [<!ENTITY b "cc">]><info><entry revision="1">&b;</entry></info>'
    for text in ("", "<html>", "<info/>", bomb):
        with pytest.raises(InfraError):
            parse_info(text)
    for text in ("", "<log>", bomb):
        with pytest.raises(InfraError):
            parse_log(text)


def test_a_commit_without_author_or_message_is_kept() -> None:
    (commit,) = parse_log('<log><logentry revision="5"><msg></msg></logentry></log>')
    assert (commit.id, commit.author, commit.subject) == ("5", "", "")
