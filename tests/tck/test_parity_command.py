"""``virtci parity`` and ``virtci tck`` from the outside, on the test driver."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.real


def virtci(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "ci", *words, "--runs", str(folder))
    return subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=False, cwd=folder
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs with one suite in it."""
    folder = tmp_path_factory.mktemp("runs")
    done = virtci(folder, "tck", "test:///default", "errors", "identity")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "errors" in done.stdout
    return folder


def matrix(runs: Path) -> Path:
    return runs / "parity" / "parity.json"


def test_the_matrix_of_a_run_is_shown_and_written(runs: Path) -> None:
    done = virtci(runs, "parity", "--run", "last")
    assert done.returncode == 0, done.stderr
    assert "of the declared were called" in done.stdout
    assert json.loads(matrix(runs).read_bytes())["drivers"]["test"]["virDomainRename"]["calls"] > 0
    assert (runs / "parity" / "parity.html").is_file()
    assert (runs / "parity" / "parity.csv").is_file()


def test_what_changed_is_told_and_a_loss_is_a_failure(runs: Path) -> None:
    virtci(runs, "parity", "--run", "last")
    before = json.loads(matrix(runs).read_bytes())
    cells = before["drivers"]["test"]
    cells["virDomainRename"]["status"] = "unsupported"
    unsupported = next(name for name, cell in cells.items() if cell["status"] == "unsupported")
    cells[unsupported]["status"] = "works"
    matrix(runs).write_text(json.dumps(before))
    done = virtci(runs, "parity", "--run", "last")
    assert "news test: virDomainRename unsupported -> works" in done.stdout
    assert f"LOST test: {unsupported} works -> unsupported" in done.stdout
    assert done.returncode == 1


def test_nothing_to_read_is_a_usage_error(tmp_path: Path) -> None:
    done = virtci(tmp_path, "parity")
    assert done.returncode == 2
    assert "no calls were recorded" in done.stderr


def test_a_run_of_the_suite_goes_on_by_its_name_alone(runs: Path) -> None:
    done = virtci(runs, "tck", "--resume", next(runs.glob("*-tck-*")).name)
    assert done.returncode == 0, done.stderr
    assert "suites/test/tck passed before" in done.stdout


def test_a_run_goes_on_by_the_command_that_began_it(runs: Path) -> None:
    name = next(runs.glob("*-tck-*")).name
    for command in ("run", "stress"):
        done = virtci(runs, command, "--resume", name)
        assert done.returncode == 2
        assert f"{name} was begun by virtci tck, not by virtci {command}" in done.stderr
        assert f"what to do: virtci tck --resume {name}" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--patience", "nan"), "--patience"),
        (("--seconds", "0"), "--seconds"),
        (("--daemon-probe", "'"), "--daemon-probe ': No closing quotation"),
        (("--packages", "nowhere"), "--packages nowhere: there is no such folder"),
        (("--known", "nowhere"), "nowhere: cannot be read"),
    ],
)
def test_a_wrong_option_is_a_usage_error(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    done = virtci(tmp_path, "tck", "test:///default", "errors", *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_area_that_is_none_is_a_usage_error(tmp_path: Path) -> None:
    done = virtci(tmp_path, "tck", "test:///default", "lifecycl")
    assert done.returncode == 2
    assert 'no area "lifecycl"; known: ' in done.stderr
