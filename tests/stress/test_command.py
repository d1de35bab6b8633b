"""``virtci stress`` as people type it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.real  # processes, and seconds of waiting for them

SECONDS = 240


def virtci(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, "-m", "ci", "stress", *words, "--runs", str(folder / "runs")),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def test_a_loop_has_a_run_a_verdict_and_a_junit_file(tmp_path: Path) -> None:
    done = virtci(tmp_path, "test:///default", "-n", "300")
    assert done.returncode == 0, done.stderr
    assert "300 loops, all without a failure, show a rate below" in done.stdout
    assert "PASS: 0/300 failed" in done.stdout
    (junit,) = tmp_path.glob("runs/*/junit.xml")
    assert junit.read_text().count("<testcase") == 300


def test_a_run_can_be_gone_on_with_and_repeats_nothing(tmp_path: Path) -> None:
    virtci(tmp_path, "test:///default", "-n", "50")
    done = virtci(tmp_path, "--resume", "last")
    assert done.returncode == 0, done.stderr
    assert "before" in done.stdout
    assert "50 passed" in done.stdout


def test_the_loops_needed_are_said_without_doing_anything(tmp_path: Path) -> None:
    done = virtci(tmp_path, "--against", "3/100", "--plan-only")
    assert done.returncode == 0, done.stderr
    assert "170 loops without a failure are significantly better than 3/100" in done.stdout
    assert not (tmp_path / "runs").exists()


def test_a_failing_loop_ends_with_1_and_says_why(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text('description = "Wrong."\nsteps = ["create", "resume", "destroy"]\n')
    done = virtci(tmp_path, "test:///default", str(mine), "-n", "2")
    assert done.returncode == 1, done.stderr
    assert "not paused" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("test:///default", "lifecicle", "-n", "2"), 'there is no scenario "lifecicle"'),
        (("test:///default", "--until", "sometimes"), '"sometimes" is no goal'),
        (("test:///default", "--against", "x"), '"x" is no count of before'),
        (("test:///default", "--time", "soon"), '"soon" is no time'),
        (("test:///default", "--guests", "many"), '--guests "many" is no count'),
        (("test:///default", "--on-daemon-death", "cry"), "say stop or continue"),
        (("-n", "3"), "which connection?"),
    ],
)
def test_wrong_arguments_are_one_sentence_and_exit_2(
    tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    done = virtci(tmp_path, *words)
    assert said in done.stderr
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
