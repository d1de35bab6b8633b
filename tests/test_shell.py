"""Commands on this machine."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import pytest

from ci.deadline import Deadline
from ci.errors import InfraError, Interrupted, TimedOut
from ci.shell import LocalShell, must

SHELL = LocalShell()


def soon(seconds: float = 20) -> Deadline:
    return Deadline.after(seconds)


def test_both_outputs_and_the_status_come_back() -> None:
    done = SHELL.run(("sh", "-c", "echo out; echo err >&2; exit 3"), soon())
    assert (done.stdout, done.stderr, done.status, done.ok) == ("out\n", "err\n", 3, False)
    assert done.tail() == "out\nerr"


def test_arguments_are_never_parsed_by_a_shell() -> None:
    assert SHELL.run(("printf", "%s", "$(id); `id` && x"), soon()).stdout == "$(id); `id` && x"


def test_a_missing_program_is_status_127() -> None:
    done = SHELL.run(("no-such-program-virtci",), soon())
    assert done.status == 127
    assert "no-such-program-virtci" in done.stderr


def test_stdin_and_environment_reach_the_command() -> None:
    done = SHELL.run(("sh", "-c", "cat; echo $WHO"), soon(), stdin="in ", env={"WHO": "me"})
    assert done.stdout == "in me\n"


def test_a_flood_is_bounded_and_never_blocks() -> None:
    done = SHELL.run(("sh", "-c", "head -c 40000000 /dev/zero | tr '\\0' x"), soon(60))
    assert done.ok
    assert len(done.stdout) == 16 * 2**20


def test_undecodable_bytes_are_replaced() -> None:
    assert SHELL.run(("printf", r"\377ok"), soon()).stdout == "\ufffdok"


def test_a_command_past_its_deadline_is_killed_with_its_children(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    script = f"sleep 60 & echo $! > {pid_file}; wait"
    with pytest.raises(TimedOut, match="did not end in time and was killed"):
        SHELL.run(("sh", "-c", script), soon(0.5))
    pid = int(pid_file.read_text())
    for _ in range(100):
        if not Path(f"/proc/{pid}").exists() or "Z" in _state(pid):
            return
        time.sleep(0.05)
    pytest.fail("the grandchild lives on")


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return "Z"


def test_a_stop_ends_a_running_command() -> None:
    stop = threading.Event()
    timer = threading.Timer(0.3, stop.set)
    timer.start()
    try:
        with pytest.raises(Interrupted):
            SHELL.run(("sleep", "60"), Deadline.after(60, stop=stop))
    finally:
        timer.join()


def test_a_log_keeps_both_outputs(tmp_path: Path) -> None:
    log = tmp_path / "deep" / "build.log"
    done = SHELL.run(("sh", "-c", "echo a; echo b >&2"), soon(), log=log)
    assert log.read_text() == "a\nb\n"
    assert done.stdout == "a\nb\n"


def test_must_tells_what_failed_where_and_shows_the_end() -> None:
    with pytest.raises(InfraError, match="failed with status 1 on this machine") as caught:
        must(SHELL, ("sh", "-c", "echo why; exit 1"), soon())
    assert caught.value.detail == "why"


def test_a_slow_command_gets_its_input_whole() -> None:
    script = "import sys, time; time.sleep(0.5); print(len(sys.stdin.read()))"
    done = LocalShell().run((sys.executable, "-c", script), Deadline.after(30), stdin="x" * 300_000)
    assert done.stdout == "300000\n"
