"""Who answers as a daemon on a host, and whether it is another process than before."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from ci.deadline import Deadline
from ci.deploy.evidence import mark, marked
from ci.deploy.served import parse_served, replaced, served_here
from ci.model import LeftCore, Served
from tests.deploy.test_local_evidence import access

SECONDS = 60.0
BEFORE = Served(program="libvirtd", pid=812, start=100, idles=False, at=1.0)
NOW = msgspec.structs.replace(BEFORE, pid=990, start=200)


@contextmanager
def process(*words: str) -> Iterator[int]:
    argv = (sys.executable, "-c", "import sys; sys.stdin.read()", *words)
    with subprocess.Popen(argv, stdin=subprocess.PIPE) as started:
        yield started.pid


@pytest.mark.real
@pytest.mark.parametrize(
    ("words", "idles"),
    [(("--listen",), False), (("--timeout", "120"), True), (("-t120",), True), (("-t", "9"), True)],
)
def test_a_process_is_known_by_its_start_and_by_whether_it_ends_when_idle(
    words: tuple[str, ...], *, idles: bool
) -> None:
    before = time.time()
    with process(*words) as pid:
        (seen,) = served_here((pid, 2**22 + 1), Deadline.after(SECONDS))
        assert (seen,) != served_here((1,), Deadline.after(SECONDS))
    assert (seen.pid, seen.idles) == (pid, idles)
    assert abs(seen.at - before) < SECONDS
    assert served_here((pid,), Deadline.after(SECONDS)) == ()


def test_who_is_another_process_than_before_has_been_replaced() -> None:
    (one,) = replaced((BEFORE,), (NOW,), ())
    assert one.sentence() == (
        "libvirtd (process 812) ended meanwhile and left no core; process 990 answers now"
    )
    (gone,) = replaced((BEFORE,), (), ())
    assert gone.sentence().endswith("; nobody answers now")
    again = msgspec.structs.replace(BEFORE, start=300)  # its number was given to another
    assert len(replaced((BEFORE,), (again,), ())) == 1


def test_who_lives_or_left_a_core_or_ends_when_idle_has_not() -> None:
    core = LeftCore(program="libvirtd", pid=812, path="/var/crash/core", at=1.0)
    idle = msgspec.structs.replace(BEFORE, idles=True)
    assert replaced((BEFORE,), (BEFORE, NOW), ()) == ()
    assert replaced((BEFORE,), (NOW,), (core,)) == ()
    assert replaced((idle,), (), ()) == ()


@pytest.mark.parametrize(
    "told", ["", "812", "812 100", "\t", "a b c", "1 2 3", "812 100 1.5 idles"]
)
def test_what_a_host_says_otherwise_is_no_daemon(told: str) -> None:
    found = parse_served((("core", "libvirtd", "812 100 1.5"), ("daemon", "libvirtd", told)))
    assert [one.idles for one in found] == ([True] if "idles" in told else [])


def test_a_suite_that_goes_on_keeps_its_mark_but_not_the_daemon_of_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = access("test+unix:///default?socket=/nobody")
    monkeypatch.setattr("ci.deploy.localevidence.served_here", lambda *_: (BEFORE,))
    first = mark(here, tmp_path, Deadline.after(SECONDS))
    monkeypatch.setattr("ci.deploy.localevidence.served_here", lambda *_: (NOW,))
    monkeypatch.setattr("ci.deploy.localevidence.cores_in", lambda _: {Path("/core"): 7})
    mark(here, tmp_path, Deadline.after(SECONDS))
    now = marked(tmp_path)
    assert first is not None
    assert now == msgspec.structs.replace(first, served=(NOW,))
