"""The command line around every command: its streams, and what a file system refuses."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ci import __main__ as program
from ci.errors import EXIT_BUG

PLAN = """
[[hosts]]
kind = "local"
uri = "test:///default"

[[suites]]
kind = "stress"
loops = 3
"""


def virtci(line: str, folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a line of the shell in which ``virtci`` is ours."""
    ours = f'virtci() {{ "{sys.executable}" -m ci "$@"; }}; '
    root = Path(program.__file__).parent.parent
    return subprocess.run(
        ("bash", "-c", ours + line),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(root), "VIRTCI_HISTORY": "", **env},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "plan.toml"
    path.write_text(PLAN)
    return path


@pytest.mark.real
@pytest.mark.parametrize("ears", ["| true", ">&-", "<&- >&- 2>&-"])
def test_a_run_that_nobody_listens_to_comes_to_its_end(plan: Path, ears: str) -> None:
    line = f"set -o pipefail; virtci run {plan.name} --name one {ears}"
    done = virtci(line, plan.parent)
    assert done.returncode == 0, done.stderr
    journal = (plan.parent / "runs/one/journal.jsonl").read_text()
    assert '"what":"ended"' in journal.splitlines()[-1]
    assert all(line.startswith("{") for line in journal.splitlines())


def test_output_to_a_full_disk_is_one_sentence_of_the_labs(plan: Path) -> None:
    done = virtci("virtci plans . >/dev/full", plan.parent)
    assert done.returncode == 3
    assert done.stderr == "virtci: no space left on the disk\n"


def test_what_a_terminal_cannot_show_is_escaped(tmp_path: Path) -> None:
    bad = '<testsuite name="ä"><testcase name="ö"><failure message="ü"/></testcase></testsuite>'
    (tmp_path / "bad.xml").write_text(bad)
    line = "virtci report diff bad.xml bad.xml"
    done = virtci(line, tmp_path, LC_ALL="C", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert "\\xe4" in done.stdout


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "/x/y"), "/x/y: Not a directory"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), "/x: Permission denied"),
        (OSError(errno.EROFS, "Read-only file system", "a", None, "b"), "b: Read-only file system"),
        (OSError(errno.ENOSPC, "No space", "/x"), "no space left on the disk for /x"),
    ],
)
def test_what_a_file_system_refuses_is_one_sentence(
    error: OSError, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended_with(error, monkeypatch) == 3
    assert capsys.readouterr().err == f"virtci: {said}\n"


@pytest.mark.parametrize("error", [OSError(errno.EINVAL, "Invalid", "/x"), OSError("odd")])
def test_an_error_of_our_own_is_no_trouble_of_the_labs(
    error: OSError, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended_with(error, monkeypatch) == EXIT_BUG
    assert "this is a bug of virtci itself" in capsys.readouterr().err


def ended_with(error: OSError, monkeypatch: pytest.MonkeyPatch) -> int:
    def broken(_: object) -> None:
        raise error

    monkeypatch.setattr(program, "application", broken)
    with pytest.raises(SystemExit) as ended:
        program.main([])
    return int(str(ended.value.code))
