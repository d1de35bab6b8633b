"""A plugin of pytest for the suite's own process: kills the daemon between two cases, unseen.

    PYTEST_ADDOPTS="-p tests.tck.killing" VIRTCI_TEST_KILL="PIDFILE SIGNAL COUNT"

Before case number COUNT the connection is closed, the daemon killed, and its successor waited for:
no call of the suite ever meets the one that died.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from ci.deadline import Deadline, wait_until
from suites.tck.conftest import LAB

VARIABLE = "VIRTCI_TEST_KILL"
SECONDS = 60.0


def environment(pid_file: Path, number: signal.Signals, count: int) -> dict[str, str]:
    """What the suite's process has to be given."""
    return {
        "PYTEST_ADDOPTS": f"-p {__name__}",
        VARIABLE: f"{pid_file} {int(number)} {count}",
    }


def kill_unseen(pid_file: Path, number: int) -> int:
    """Kill the daemon and wait for the one that a service manager starts; the dead one's pid."""
    pid = int(pid_file.read_text())
    os.kill(pid, number)
    wait_until("another daemon", lambda: _another(pid_file, pid), Deadline.after(SECONDS))
    return pid


def _another(pid_file: Path, pid: int) -> bool:
    """One that ends in order takes its file away before its successor writes one."""
    with suppress(OSError):
        text = pid_file.read_text().strip()
        return text.isdigit() and int(text) != pid
    return False


class Killing:
    def __init__(self, pid_file: Path, number: int, count: int) -> None:
        self.pid_file = pid_file
        self.number = number
        self.left = count

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        self.left -= 1
        if self.left == 0:
            item.config.stash[LAB].session.close()
            kill_unseen(self.pid_file, self.number)


def pytest_configure(config: pytest.Config) -> None:
    if LAB in config.stash:  # the supervisor has none
        pid_file, number, count = os.environ[VARIABLE].split()
        config.pluginmanager.register(Killing(Path(pid_file), int(number), int(count)), "killing")
