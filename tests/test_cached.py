"""What is cached is whole or not there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ci.cached import locked, made_once
from ci.deadline import Deadline
from ci.errors import InfraError, TimedOut

SECONDS = 30.0


def quiet(_: str) -> None:
    """Nobody listens."""


def content(folder: Path) -> None:
    (folder / "file").write_text("whole")


def test_a_thing_is_made_once(tmp_path: Path) -> None:
    calls = []

    def make(folder: Path) -> None:
        calls.append(folder)
        content(folder)

    for _ in range(2):
        made = made_once(tmp_path / "x", make, Deadline.after(SECONDS), say=quiet)
    assert (made / "file").read_text() == "whole"
    assert len(calls) == 1


def test_what_fails_while_it_is_made_leaves_nothing(tmp_path: Path) -> None:
    def make(folder: Path) -> None:
        content(folder)
        raise InfraError("disk full")

    with pytest.raises(InfraError, match="disk full"):
        made_once(tmp_path / "x", make, Deadline.after(SECONDS), say=quiet)
    assert not list(tmp_path.glob("[!.]*"))
    assert not list(tmp_path.glob(".partial-*"))


def test_two_makers_make_it_once_and_the_second_says_that_it_waits(tmp_path: Path) -> None:
    calls: list[Path] = []
    said: list[str] = []
    waiting = threading.Event()

    def say(text: str) -> None:
        said.append(text)
        waiting.set()

    def make(folder: Path) -> None:
        calls.append(folder)
        waiting.wait(SECONDS)
        content(folder)

    def go() -> None:
        made_once(tmp_path / "x", make, Deadline.after(SECONDS), say=say)

    makers = [threading.Thread(target=go) for _ in range(2)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join(SECONDS)
    assert len(calls) == 1
    assert any("waiting for whoever is at work" in text for text in said)


def test_waiting_for_a_maker_ends_at_the_deadline(tmp_path: Path) -> None:
    with (
        locked(tmp_path / "x", Deadline.after(SECONDS), say=quiet),
        pytest.raises(TimedOut, match="the lock of"),
    ):
        made_once(tmp_path / "x", content, Deadline.after(0.1), say=quiet)


SLOW_MAKER = """
import sys, time
from pathlib import Path
from ci.cached import made_once
from ci.deadline import Deadline
def make(folder):
    (folder / "file").write_text("ha")
    print("half", flush=True)
    time.sleep(60)
made_once(Path(sys.argv[1]), make, Deadline.after(90), say=print)
"""


@pytest.mark.real
def test_what_a_killed_maker_left_is_never_used_and_is_swept(tmp_path: Path) -> None:
    goal = tmp_path / "x"
    maker = subprocess.Popen(
        (sys.executable, "-c", SLOW_MAKER, str(goal)), stdout=subprocess.PIPE, text=True
    )
    assert maker.stdout is not None
    with maker.stdout:
        assert maker.stdout.readline() == "half\n"
        os.kill(maker.pid, signal.SIGKILL)
        maker.wait(SECONDS)
    left = list(tmp_path.glob(".partial-*"))
    assert left
    assert not goal.exists()
    began = time.monotonic()
    made_once(goal, content, Deadline.after(SECONDS), say=quiet)
    assert time.monotonic() - began < SECONDS
    assert (goal / "file").read_text() == "whole"
    assert not list(tmp_path.glob(".partial-*"))
