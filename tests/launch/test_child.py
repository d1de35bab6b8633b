"""Suites as child processes: followed, bounded, never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ci.codec import to_json
from ci.deadline import Deadline
from ci.errors import InfraError, Interrupted
from ci.launch.child import run_child
from ci.launch.target import Target, suite_end
from ci.model import CaseResult, Outcome
from ci.run import Step
from ci.shell import LocalShell
from ci.watcher import Silent

GOOD = frozenset({0, 1})


class Collector(Silent):
    def __init__(self) -> None:
        self.names: list[str] = []

    def case(self, step: str, result: CaseResult) -> None:
        self.names.append(result.name)


def step_in(folder: Path, seconds: float = 30, stop: threading.Event | None = None) -> Step:
    deadline = Deadline.after(seconds, stop=stop)
    return Step("suites/h/s", LocalShell(), deadline, folder, folder, Collector())


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


def line(name: str, outcome: Outcome = Outcome.PASSED) -> str:
    result = CaseResult(suite="s", name=name, outcome=outcome, message="why")
    return f'{{"at":1.0,"what":"case","name":"{name}","data":{to_json(result).decode()}}}\n'


def test_cases_are_followed_as_they_are_written(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    text = line("a") + line("b", Outcome.FAILED)
    step = step_in(tmp_path)
    code = f"open({str(ledger)!r}, 'w').write({text!r}); raise SystemExit(1)"
    assert run_child(step, python(code), ledger, good=GOOD) == 1
    assert isinstance(step.watcher, Collector)
    assert step.watcher.names == ["a", "b"]


def test_a_repeated_case_counts_once_as_it_last_ended(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    ledger.write_text(line("a", Outcome.FAILED) + line("b") + line("a"))
    target = Target(host="h", uri="test:///default", hypervisor="test")
    assert suite_end("s", target, ledger, "l").counts == {"passed": 2}


def test_a_child_that_dies_is_the_labs_trouble_with_its_last_words(tmp_path: Path) -> None:
    code = "import os, sys; sys.stderr.write('last words\\n'); sys.stderr.flush(); os.abort()"
    with pytest.raises(InfraError, match="died with SIGABRT") as caught:
        run_child(step_in(tmp_path), python(code), tmp_path / "l", good=GOOD)
    assert "last words" in caught.value.detail


def test_a_child_that_fails_by_itself_is_never_a_verdict(tmp_path: Path) -> None:
    with pytest.raises(InfraError, match="did not finish one case") as caught:
        run_child(step_in(tmp_path), python("import nosuch"), tmp_path / "l", good=GOOD)
    assert "nosuch" in caught.value.detail
    ledger = tmp_path / "ledger.jsonl"
    ledger.write_text(line("a"))
    with pytest.raises(InfraError, match="no case of it failed"):
        run_child(step_in(tmp_path), python("import nosuch"), ledger, good=GOOD)


def test_a_child_past_its_time_is_killed(tmp_path: Path) -> None:
    code = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_DFL); time.sleep(60)"
    with pytest.raises(InfraError, match="did not end within its time"):
        run_child(step_in(tmp_path, seconds=1), python(code), tmp_path / "l", good=GOOD)


def test_a_stop_asks_the_child_to_end_and_waits_for_it(tmp_path: Path) -> None:
    stop = threading.Event()
    said = tmp_path / "said"
    code = f"""
import signal, sys, time
def bye(*_):
    open({str(said)!r}, "w").write("tidied up")
    sys.exit(1)
signal.signal(signal.SIGINT, bye)
time.sleep(60)
"""
    timer = threading.Timer(1.5, stop.set)
    timer.start()
    with pytest.raises(Interrupted):
        run_child(step_in(tmp_path, stop=stop), python(code), tmp_path / "l", good=GOOD)
    timer.join()
    assert said.read_text() == "tidied up"


def test_a_suite_never_outlives_a_killed_virtci(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    child = f"import os, time; open({str(pid_file)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    parent = subprocess.Popen(
        python(
            "from pathlib import Path; from ci.launch.child import run_child;"
            "from tests.launch.test_child import step_in;"
            f"run_child(step_in(Path({str(tmp_path)!r})), ({sys.executable!r}, '-c', {child!r}),"
            f"Path({str(tmp_path / 'l')!r}), good=frozenset([0]))"
        )
    )
    pid = _wait_for_pid(pid_file)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    for _ in range(100):
        if not _alive(pid):
            return
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    pytest.fail("the suite goes on alone")


def _wait_for_pid(path: Path) -> int:
    for _ in range(200):
        if path.exists() and path.read_text():
            return int(path.read_text())
        time.sleep(0.05)
    pytest.fail("the child never began")


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
