"""A plugin of pytest for the suite's own process: stops the daemon between two cases.

    PYTEST_ADDOPTS="-p tests.tck.stopping" VIRTCI_TEST_STOP="PID COUNT"

Before case number COUNT the connection is closed and the process stopped, so that the next call of
all is virConnectOpen. Nobody lifts the stop.
"""

from __future__ import annotations

import os
import signal

import pytest

from suites.tck.conftest import LAB

VARIABLE = "VIRTCI_TEST_STOP"


def environment(pid: int, count: int) -> dict[str, str]:
    """What the suite's process has to be given."""
    return {"PYTEST_ADDOPTS": f"-p {__name__}", VARIABLE: f"{pid} {count}"}


class Stopping:
    def __init__(self, pid: int, count: int) -> None:
        self.pid = pid
        self.left = count

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        self.left -= 1
        if self.left == 0:
            item.config.stash[LAB].session.close()
            os.kill(self.pid, signal.SIGSTOP)


def pytest_configure(config: pytest.Config) -> None:
    if LAB in config.stash:  # the supervisor has none
        pid, count = map(int, os.environ[VARIABLE].split())
        config.pluginmanager.register(Stopping(pid, count), "stopping")
