"""Steps: journaled once, retried where the lab fails, never repeated."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from pathlib import Path

import pytest

from ci.codec import from_json
from ci.errors import InfraError, Interrupted, ProductError
from ci.journal import read
from ci.leftovers import VARIABLE, marked
from ci.run import Failure, Run, Step
from tests.clock import FakeClock


class Counting:
    """A step function that fails a given number of times first."""

    def __init__(self, failures: int = 0, error: type[Exception] = InfraError) -> None:
        self.calls = 0
        self.failures = failures
        self.error = error

    def __call__(self, step: Step, value: int) -> int:
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error("the disk is full")
        return value * 2


def run_in(folder: Path) -> Run:
    return Run(folder, clock=FakeClock())


def test_a_resumed_run_repeats_nothing(tmp_path: Path) -> None:
    work = Counting()
    run = run_in(tmp_path)
    assert run.step("double", int, work, 21) == 42
    run.close()
    again = run_in(tmp_path)
    assert again.step("double", int, work, 21) == 42
    assert again.has("double", 21)
    assert work.calls == 1
    again.close()


def test_other_inputs_are_another_call(tmp_path: Path) -> None:
    work = Counting()
    run = run_in(tmp_path)
    assert run.step("double", int, work, 1) == 2
    assert run.step("double", int, work, 2) == 4
    assert not run.has("double", 3)
    run.close()


def test_what_stands_beside_the_key_does_not_change_it(tmp_path: Path) -> None:
    calls = []

    def note(step: Step, value: int, how: str) -> int:
        calls.append(how)
        return value

    run = run_in(tmp_path)
    run.step("x", int, note, 1, beside=("today",))
    run.step("x", int, note, 1, beside=("tomorrow",))
    assert calls == ["today"]
    run.close()


def test_a_stale_record_is_made_anew(tmp_path: Path) -> None:
    work = Counting()
    run = run_in(tmp_path)
    run.step("boot", int, work, 1)
    run.step("boot", int, work, 1, still_good=lambda value: False)
    assert work.calls == 2
    run.close()


def test_a_lab_fault_is_retried_and_the_retry_is_journaled(tmp_path: Path) -> None:
    work = Counting(failures=1)
    run = run_in(tmp_path)
    assert run.step("double", int, work, 1) == 2
    run.close()
    whats = [event.what for event in read(tmp_path / "journal.jsonl")]
    assert whats == ["started", "retried", "done"]


def test_a_product_fault_is_never_retried(tmp_path: Path) -> None:
    work = Counting(failures=1, error=ProductError)
    run = run_in(tmp_path)
    with pytest.raises(ProductError):
        run.step("double", int, work, 1)
    assert work.calls == 1
    run.close()
    last = list(read(tmp_path / "journal.jsonl"))[-1]
    assert last.what == "failed"
    assert from_json(last.data, Failure).blame == "product"


def test_a_stop_is_told_from_a_lab_fault(tmp_path: Path) -> None:
    stop = threading.Event()

    def stopped(step: Step) -> int:
        stop.set()
        raise InfraError("the connection went away")

    run = Run(tmp_path, clock=FakeClock(), stop=stop)
    with pytest.raises(Interrupted):
        run.step("deploy", int, stopped)
    run.close()


def test_a_failed_step_is_tried_again_on_resume(tmp_path: Path) -> None:
    work = Counting(failures=1, error=ProductError)
    run = run_in(tmp_path)
    with pytest.raises(ProductError):
        run.step("double", int, work, 1)
    run.close()
    again = run_in(tmp_path)
    assert again.step("double", int, work, 1) == 2
    again.close()


def test_what_a_killed_run_left_running_is_ended_before_the_step_begins(tmp_path: Path) -> None:
    left = subprocess.Popen(
        ("sh", "-c", "sleep 60 & wait"),
        env={**os.environ, VARIABLE: str(tmp_path / "build")},
        start_new_session=True,
    )
    other = subprocess.Popen(
        ("sleep", "60"), env={**os.environ, VARIABLE: str(tmp_path / "build2")}
    )
    try:
        while len(marked(str(tmp_path / "build"))) < 2:
            time.sleep(0.01)
        run = Run(tmp_path)
        assert run.step("build", int, lambda step: len(marked(str(step.folder)))) == 0
        run.close()
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()
        left.kill()
        left.wait()


def test_a_steps_commands_carry_its_mark(tmp_path: Path) -> None:
    run = Run(tmp_path)

    def look(step: Step) -> str:
        return step.shell.run(("printenv", VARIABLE), step.deadline).stdout.strip()

    assert run.step("build", str, look) == str(tmp_path / "build")
    run.close()
