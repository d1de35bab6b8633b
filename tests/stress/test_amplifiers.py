"""Knobs do to the daemon what they say, and put everything back."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ci.errors import InfraError, UsageError
from ci.model import CaseResult, Outcome
from suites.stress.amplifiers.knob import Setting, Turned, tried
from suites.stress.amplifiers.knobs import ALL, KNOBS, chosen
from suites.stress.amplifiers.parcel import parcel
from suites.stress.amplifiers.threads import threads
from suites.stress.amplify import Arm, best_of, uplift
from suites.stress.totals import Totals
from tests.libvirtd import Libvirtd
from tests.root import need_root

SUBJECT = """
import os, socket, tempfile, threading, time
wake, file, (near, far) = os.eventfd(1), tempfile.TemporaryFile(), socket.socketpair()
def turn():
    while True:
        sum(range(2000)); time.sleep(0.0005)
        os.eventfd_write(wake, 1); os.write(file.fileno(), b"x")
        near.send(b"x"); far.recv(1)
for _ in range(3):
    threading.Thread(target=turn, daemon=True).start()
print("ready", flush=True)
turn()
"""
SECONDS = 20


@pytest.fixture
def subject() -> Iterator[int]:
    """A process with four threads, in place of a daemon."""
    process = subprocess.Popen((sys.executable, "-c", SUBJECT), stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process:
        process.stdout.readline()
        yield process.pid
        process.kill()


def eventually(holds: Callable[[], bool]) -> bool:
    until = time.monotonic() + SECONDS
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def turned(name: str, pid: int) -> Turned:
    made = Turned(chosen((name,)))
    made.turn_on(Setting(uri="test:///default", daemon_pid=pid))
    return made


def affinities(pid: int) -> set[frozenset[int]]:
    return {frozenset(os.sched_getaffinity(thread)) for thread in threads(pid)}


def states(pid: int) -> set[str]:
    """The state letters of all threads; t is stopped by a tracer."""
    found = set()
    for thread in threads(pid):
        text = Path(f"/proc/{pid}/task/{thread}/stat").read_text()
        found.add(text.rpartition(")")[2].split()[0])
    return found


@pytest.mark.real
def test_pin_puts_every_thread_on_one_processor_and_back(subject: int) -> None:
    before = affinities(subject)
    knob = turned("pin", subject)
    assert eventually(lambda: {len(one) for one in affinities(subject)} == {1})
    knob.turn_off()
    assert affinities(subject) == before


@pytest.mark.real
def test_throttle_takes_a_cgroup_for_its_time_only(subject: int) -> None:
    need_root("a cgroup of one's own")

    def own() -> bool:
        return f"virtci-throttle-{subject}" in Path(f"/proc/{subject}/cgroup").read_text()

    knob = turned("throttle", subject)
    assert eventually(own)
    knob.turn_off()
    assert not own()
    assert not list(Path("/sys/fs/cgroup").glob(f"**/virtci-throttle-{subject}"))


@pytest.mark.real
@pytest.mark.parametrize("name", ["jitter", "stall", "slow-disk", "slow-sockets"])
def test_a_knob_that_traces_stops_single_threads_and_leaves_none_stopped(
    subject: int, name: str
) -> None:
    knob = turned(name, subject)
    seen: set[frozenset[str]] = set()

    def one_is_stopped_while_others_are_not() -> bool:
        seen.add(frozenset(states(subject)))
        return any("t" in found and len(found) > 1 for found in seen)

    assert eventually(one_is_stopped_while_others_are_not)
    knob.turn_off()
    assert not {"t", "T"} & states(subject)


def test_load_ends_with_all_its_processes() -> None:
    knob = turned("load", 0)
    (process,) = knob._processes
    assert eventually(lambda: len(_family(process.pid)) == (os.cpu_count() or 1))
    family = _family(process.pid)
    knob.turn_off()
    assert eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in family))


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children")
    text = children.read_text() if children.exists() else ""
    return [pid, *map(int, text.split())]


@pytest.mark.real
def test_chatter_talks_to_the_daemon_all_the_time(libvirtd: Libvirtd) -> None:
    knob = Turned(chosen(("chatter",)))
    before = _cpu(libvirtd.pid)
    knob.turn_on(Setting(uri=libvirtd.uri_of("test", "/default"), daemon_pid=libvirtd.pid))
    assert eventually(lambda: _cpu(libvirtd.pid) > before + 20)
    knob.turn_off()


def _cpu(pid: int) -> int:
    """Ticks that a process has used."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(words[11]) + int(words[12])


def test_a_daemon_that_nobody_knows_has_no_knobs_but_load() -> None:
    far = Setting(uri="xen+tcp://host/system", daemon_pid=0)
    assert [knob.name for knob in ALL if not knob.missing(far)] == ["load"]


def test_on_a_host_that_has_a_shell_for_us_no_knob_is_missing_before_it_is_tried() -> None:
    far = Setting(uri="xen+ssh://host/system", daemon_pid=7, shell=("ssh", "host"))
    assert not any(knob.missing(far) for knob in ALL)


@pytest.mark.real
@pytest.mark.parametrize("name", ["pin", "jitter", "stall", "slow-disk"])
def test_a_knob_is_sent_to_the_daemons_host_and_ends_with_its_line(
    subject: int, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    before, knob = affinities(subject), Turned(chosen((name,)))
    knob.turn_on(Setting(uri="none:///", daemon_pid=subject, shell=("sh", "-c")))
    assert list(tmp_path.glob("*/knobs.zip"))
    pinned = name == "pin"
    assert eventually(
        lambda: (
            {len(one) for one in affinities(subject)} == {1} if pinned else "t" in states(subject)
        )
    )
    knob.turn_off()
    assert eventually(lambda: not {"t", "T"} & states(subject))
    assert eventually(lambda: affinities(subject) == before)
    assert list(tmp_path.iterdir()) == []


def test_a_host_without_what_a_knob_needs_says_so() -> None:
    setting = Setting(
        uri="none:///", daemon_pid=os.getpid(), shell=("env", "PATH=/none", "/bin/sh", "-c")
    )
    assert "could not be turned on" in tried(KNOBS["stall"], setting)


def test_what_is_sent_needs_nothing_but_python() -> None:
    sent = [knob for knob in ALL if not knob.asks]
    modules = {f"suites.stress.amplifiers.{knob.module}" for knob in sent}
    code = (
        f"import sys; sys.path.insert(0, sys.argv[1]); [__import__(m) for m in {sorted(modules)}]"
    )
    with tempfile.NamedTemporaryFile(suffix=".zip") as file:
        file.write(parcel())
        file.flush()
        subprocess.run((sys.executable, "-I", "-S", "-c", code, file.name), cwd="/", check=True)


@pytest.mark.real
def test_threads_go_on_when_their_tracer_is_killed(subject: int) -> None:
    knob = turned("stall", subject)
    assert eventually(lambda: "t" in states(subject))
    knob._processes[0].kill()
    assert eventually(lambda: not {"t", "T"} & states(subject))
    knob.turn_off()


@pytest.mark.real
def test_a_knob_that_cannot_be_turned_on_says_why(subject: int) -> None:
    knob = turned("stall", subject)
    with pytest.raises(InfraError, match=r"slow-disk could not be turned on: .* cannot be traced"):
        turned("slow-disk", subject)
    knob.turn_off()


def test_for_a_daemon_that_has_ended_meanwhile_no_knob_is_blamed() -> None:
    process = subprocess.Popen(("true",))
    process.wait()
    turned("pin", process.pid).turn_off()


@pytest.mark.real
def test_what_another_one_traces_already_has_no_such_knobs(subject: int) -> None:
    knob = turned("slow-disk", subject)
    setting = Setting(uri="test:///default", daemon_pid=subject)
    for name in ("stall", "jitter"):
        assert "cannot be traced" in tried(KNOBS[name], setting)
    knob.turn_off()
    assert tried(KNOBS["stall"], setting) == ""


def test_two_knobs_that_trace_are_refused_together() -> None:
    assert len(chosen(("load", "stall"))) == 2
    with pytest.raises(UsageError, match="jitter and stall cannot be on together"):
        chosen(("jitter", "load", "stall"))


def test_of_knobs_that_trace_the_best_is_used_beside_the_others() -> None:
    gains = {"chatter": 1.2, "jitter": 2.0, "stall": 3.0, "load": 0.9}
    assert best_of(gains) == ["stall", "chatter"]
    assert best_of(gains, on=("slow-disk",)) == ["chatter"]


def test_an_unknown_knob_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match='no knob "chater"') as caught:
        chosen(("chater",))
    assert "jitter" in caught.value.hint


def arm(name: str, failed: int, passed: int, seconds: float) -> Arm:
    totals = Totals()
    for outcome, count in ((Outcome.FAILED, failed), (Outcome.PASSED, passed)):
        for _ in range(count):
            totals.add(CaseResult(suite="s", name="n", outcome=outcome, message="why"))
    totals.seconds = seconds
    return Arm(name, totals)


def test_a_knob_that_slows_the_loop_is_judged_by_the_second_too() -> None:
    plain, knob = arm("plain", 10, 990, 10.0), arm("jitter", 10, 90, 10.0)
    per_second, per_loop = uplift(knob, plain)
    assert per_loop.value == pytest.approx(10)
    assert per_second.value == pytest.approx(1)
    assert per_second.low < 1 < per_loop.low
