"""A step to fetch in, a cache of its own, and small repositories made by the real tools."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from ci.codec import decode
from ci.deadline import Deadline
from ci.model import CaseResult, Outcome, Record
from ci.run import Step
from ci.shell import LocalShell
from ci.sources import Source

STAMP = "2024-05-01T12:00:00+00:00"
Patch = Callable[..., str]


class Talk:
    """Remembers what was said to people."""

    def __init__(self) -> None:
        self.said_: list[str] = []

    def started(self, step: str) -> None: ...
    def ended(self, step: str, outcome: Outcome, seconds: float, *, again: bool) -> None: ...
    def case(self, step: str, result: CaseResult) -> None: ...
    def withdrawn(self, step: str, results: Sequence[CaseResult], why: str) -> None: ...
    def said(self, step: str, text: str) -> None:
        self.said_.append(text)

    @property
    def text(self) -> str:
        return "\n".join(self.said_)


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("HGRCPATH", os.devnull)


@pytest.fixture
def talk() -> Talk:
    return Talk()


@pytest.fixture
def step(tmp_path: Path, talk: Talk) -> Step:
    folder = tmp_path / "runs" / "r1" / "source"
    folder.mkdir(parents=True)
    return Step("source", LocalShell(), Deadline.after(60), folder, folder.parent, talk)


class Plan(Record, frozen=True, kw_only=True):
    """As much of a plan as concerns the source."""

    source: Source


def read_plan(**source: str) -> Source:
    """A source as a plan gives it."""
    return decode({"source": source}, Plan, source="plan.toml").source


def tool(*argv: str, cwd: Path | None = None) -> str:
    """Run a real tool that has to succeed; say how to get it when it is not there."""
    if shutil.which(argv[0]) is None:
        pytest.fail(f"{argv[0]} is not here; apt-get install git subversion mercurial")
    env = {
        **os.environ,
        "GIT_AUTHOR_DATE": STAMP,
        "GIT_COMMITTER_DATE": STAMP,
        **{f"GIT_{who}_NAME": "Ann" for who in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{who}_EMAIL": "ann@example.org" for who in ("AUTHOR", "COMMITTER")},
        "HGUSER": "Ann <ann@example.org>",
        "GIT_ALLOW_PROTOCOL": "file",
    }
    done = subprocess.run(
        argv, check=False, cwd=cwd, env=env, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
    return done.stdout.strip()


def commit(repository: Path, subject: str, **files: str) -> str:
    """Write files (``a_c`` is ``a.c``) and commit them; the commit's id."""
    for name, text in files.items():
        path = repository / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    tool("git", "add", "-A", cwd=repository)
    tool("git", "commit", "-q", "-m", subject, cwd=repository)
    return tool("git", "rev-parse", "HEAD", cwd=repository)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two commits on master; the first is tagged v1.0.0."""
    return make_repository(tmp_path / "project")


def make_repository(path: Path) -> Path:
    path.mkdir()
    tool("git", "init", "-q", "-b", "master", cwd=path)
    commit(path, "Start", a_c="one\ntwo\nthree\n", src__b_c="b\n")
    tool("git", "tag", "v1.0.0", cwd=path)
    commit(path, "Go on", a_c="one\ntwo\nTHREE\n")
    return path


def snapshot(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Everything below a folder: mode, time of change and bytes of each readable file."""
    return {
        str(path.relative_to(folder)): (
            path.lstat().st_mode,
            path.lstat().st_mtime_ns,
            path.read_bytes() if path.is_file() and os.access(path, os.R_OK) else b"",
        )
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture
def patch(tmp_path: Path) -> Callable[[str, str], str]:
    """Write a patch that turns the line "two" of a.c into something else."""

    def write(name: str, old: str = "two") -> str:
        path = tmp_path / name
        path.write_text(f"--- a/a.c\n+++ b/a.c\n@@ -1,3 +1,3 @@\n one\n-{old}\n+patched\n THREE\n")
        return str(path)

    return write


def text(tree_path: str, name: str) -> str:
    return Path(tree_path, name).read_text()
