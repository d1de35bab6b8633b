"""A plugin of pytest for the suite's own process: stops or kills the daemon between two cases.

    PYTEST_ADDOPTS="-p tests.tck.stopping" VIRTCI_TEST_STOP="PID COUNT SIGNAL"

Before case number COUNT the process gets the signal. For SIGSTOP the connection is closed first, so
that the next call of all is virConnectOpen; nobody lifts the stop.
"""

from __future__ import annotations

import os
import signal

import pytest

from ci.deadline import Deadline, wait_until
from suites.tck.conftest import LAB

VARIABLE = "VIRTCI_TEST_STOP"


def environment(pid: int, count: int, by: signal.Signals = signal.SIGSTOP) -> dict[str, str]:
    """What the suite's process has to be given."""
    return {"PYTEST_ADDOPTS": f"-p {__name__}", VARIABLE: f"{pid} {count} {by.value}"}


class Stopping:
    def __init__(self, pid: int, count: int, by: int) -> None:
        self.pid = pid
        self.left = count
        self.by = signal.Signals(by)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        self.left -= 1
        if self.left != 0:
            return
        session = item.config.stash[LAB].session
        daemon = session.daemon
        assert daemon is not None
        if self.by is signal.SIGSTOP:
            session.close()
        os.kill(self.pid, self.by)
        if self.by is not signal.SIGSTOP:
            wait_until("the daemon's end", lambda: not daemon.alive(), Deadline.after(60))


def pytest_configure(config: pytest.Config) -> None:
    if LAB in config.stash:  # the supervisor has none
        config.pluginmanager.register(Stopping(*map(int, os.environ[VARIABLE].split())), "stopping")
