"""A daemon that answers nobody costs a suite its cases, and not a wait in each of them."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator

import pytest

from ci.errors import InfraError
from suites.hypervisor.daemon import stopped
from suites.tck.away import Away

SHORT = 0.0  # a patience that waits for nothing


@pytest.fixture
def process() -> Iterator[int]:
    """Somebody who was stopped."""
    with subprocess.Popen(("sleep", "600")) as sleeping:
        os.kill(sleeping.pid, signal.SIGSTOP)
        while not stopped(sleeping.pid):
            time.sleep(0.01)
        yield sleeping.pid
        sleeping.kill()


def fail(away: Away, hung_on: int = 0) -> InfraError:
    with pytest.raises(InfraError) as caught, away.attempt(hung_on):
        raise InfraError("nobody is there")
    return caught.value


def test_a_stopped_process_is_not_asked(process: int) -> None:
    error = fail(Away(SHORT), process)
    assert error.message == (
        f"process {process} (sleep) is stopped: it was sent SIGSTOP, and answers nobody"
    )
    assert error.hint == f"kill -CONT {process}"


def test_one_that_a_debugger_lets_go_of_is_seen_stopped_soon(
    process: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("suites.hypervisor.daemon.SETTLE_SECONDS", 60.0)
    os.kill(process, signal.SIGCONT)
    threading.Timer(0.2, os.kill, (process, signal.SIGSTOP)).start()
    assert "is stopped" in fail(Away(SHORT), process).message


def test_a_stop_that_is_lifted_soon_is_waited_for(process: int) -> None:
    threading.Timer(0.3, os.kill, (process, signal.SIGCONT)).start()
    with Away(2.0).attempt(process):
        assert not stopped(process)


def test_the_second_attempt_waits_for_nothing() -> None:
    away = Away(1.0)
    assert away.seconds() > 0
    fail(away)
    assert away.seconds() == 0


def test_attempts_that_took_long_are_not_repeated_for_ever() -> None:
    away = Away(SHORT)
    assert fail(away).message == "nobody is there"
    assert fail(away).message == (
        "the connection is gone and is not tried any more: nobody is there"
    )


def test_a_connection_that_comes_back_is_forgiven() -> None:
    away = Away(1.0)
    fail(away)
    with away.attempt():
        pass
    assert away.seconds() > 0
    assert fail(away).message == "nobody is there"
