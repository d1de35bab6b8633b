"""What is held, where, and what that does to the process."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from suites.stress.amplifiers.calls import FUTEX, kind_of
from suites.stress.amplifiers.delay import disk, sockets
from suites.stress.amplifiers.knob import Setting, Turned
from suites.stress.amplifiers.knobs import chosen
from suites.stress.amplifiers.stall import Stall
from suites.stress.amplifiers.tracer import Call, Rule

READ, WRITE, FSYNC, POLL = 0, 1, 74, 7
WAIT, WAKE = 128, 129  # private futexes
TRIES = 400


def share(rule: Rule, number: int, *arguments: int, result: int | None) -> float:
    """How often such a call is held."""
    call = Call(1, number, (*arguments, 0, 0), result)
    return sum(rule(call) is not None for _ in range(TRIES)) / TRIES


@pytest.fixture
def descriptors(tmp_path: Path) -> Iterator[dict[str, int]]:
    near, far = socket.socketpair()
    with near, far, (tmp_path / "file").open("wb") as file:
        wake, (master, slave) = os.eventfd(0), os.openpty()
        yield {"socket": near.fileno(), "file": file.fileno(), "wake": wake, "terminal": slave}
        for descriptor in (wake, master, slave):
            os.close(descriptor)


def test_descriptors_are_told_apart(descriptors: dict[str, int]) -> None:
    found = {kind: kind_of(os.getpid(), number) for kind, number in descriptors.items()}
    assert found == {kind: kind for kind in descriptors}
    assert kind_of(os.getpid(), 100_000) == ""


def test_a_slow_disk_holds_what_is_written_to_files_and_every_sync(
    descriptors: dict[str, int],
) -> None:
    rule = disk(os.getpid(), Random(1))
    assert share(rule, FSYNC, descriptors["file"], result=None) == 1
    assert share(rule, WRITE, descriptors["file"], result=None) == 1
    assert share(rule, WRITE, descriptors["file"], result=5) == 0  # held once, not twice
    assert share(rule, WRITE, descriptors["socket"], result=None) == 0
    assert share(rule, READ, descriptors["file"], result=5) == 0


@pytest.mark.parametrize("kind", ["socket", "terminal"])
def test_a_slow_line_holds_what_was_read_and_what_is_to_be_written(
    descriptors: dict[str, int], kind: str
) -> None:
    rule = sockets(os.getpid(), Random(1))
    assert 0 < share(rule, READ, descriptors[kind], result=9) < 1
    assert 0 < share(rule, WRITE, descriptors[kind], result=None) < 1
    assert share(rule, READ, descriptors[kind], result=None) == 0
    assert share(rule, READ, descriptors[kind], result=-11) == 0  # nothing was there
    assert share(rule, READ, descriptors["file"], result=9) == 0


def test_a_thread_stalls_behind_what_it_told_others_and_when_it_was_told(
    descriptors: dict[str, int],
) -> None:
    rule = Stall(os.getpid()).rule
    assert share(rule, WRITE, descriptors["wake"], result=8) > 0.5
    assert 0 < share(rule, FUTEX, 0, WAKE, result=1) < 0.5
    assert 0 < share(rule, POLL, 0, 1, result=1) < 0.5
    assert share(rule, FUTEX, 0, WAKE, result=0) == 0  # nobody was waiting
    assert share(rule, FUTEX, 0, WAIT, result=0) == 0
    assert share(rule, WRITE, descriptors["socket"], result=8) == 0


def test_what_a_thread_that_polls_writes_wakes_only_itself(descriptors: dict[str, int]) -> None:
    rule = Stall(os.getpid()).rule
    share(rule, POLL, 0, 1, result=1)
    assert share(rule, WRITE, descriptors["wake"], result=8) == 0


def test_one_thread_stalls_at_a_time(descriptors: dict[str, int]) -> None:
    stall = Stall(os.getpid())
    stall.tracer.held[7] = time.monotonic()
    assert share(stall.rule, WRITE, descriptors["wake"], result=8) == 0


PING_PONG = """
import os, threading
ping, pong = os.eventfd(0), os.eventfd(0)
def answer():
    while True:
        os.eventfd_read(ping)
        os.eventfd_write(pong, 1)
threading.Thread(target=answer, daemon=True).start()
for turn in range(10**9):
    os.eventfd_write(ping, 1)
    os.eventfd_read(pong)
    print(turn, flush=True)
"""


@pytest.mark.real
def test_a_thread_that_waits_in_the_kernel_while_it_is_stepped_goes_on() -> None:
    process = subprocess.Popen((sys.executable, "-c", PING_PONG), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process:
        process.stdout.readline()
        knob = Turned(chosen(("stall",)))
        knob.turn_on(Setting(uri="test:///default", daemon_pid=process.pid))
        before = int(process.stdout.readline())
        while int(process.stdout.readline()) < before + 200:
            pass  # a thread that were left stopped would end this by the test's timeout
        knob.turn_off()
        process.kill()
