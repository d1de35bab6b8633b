"""Connections between two users of the same login: kept a while, taken by one, closed in time."""

from __future__ import annotations

import pytest

from ci.deadline import Deadline
from ci.deploy.idle import IDLE, IDLE_SECONDS, Idle
from ci.deploy.ssh_errors import SshTarget
from ci.deploy.sshshell import SshShell
from tests.clock import FakeClock
from tests.sshd import Sshd

ONE, TWO = SshTarget(name="h", address="one"), SshTarget(name="h", address="two")


class Line:
    """A connection that remembers whether it was closed."""

    open = True

    def close(self) -> None:
        self.open = False


def test_one_is_taken_once_and_only_for_its_login() -> None:
    idle, line = Idle(), Line()
    idle.give(ONE, line)
    assert idle.take(TWO) is None
    assert idle.take(ONE) is line
    assert idle.take(ONE) is None
    assert line.open


def test_what_nobody_asks_for_is_closed_and_never_given() -> None:
    clock = FakeClock()
    idle, old = Idle(clock.monotonic), Line()
    idle.give(ONE, old)
    clock.sleep(IDLE_SECONDS + 1)
    assert idle.take(ONE) is None
    assert not old.open


def test_the_oldest_makes_room_and_a_host_that_is_handed_back_has_none() -> None:
    idle, lines = Idle(), [Line(), Line(), Line()]
    for line in lines:
        idle.give(ONE, line)
    assert [line.open for line in lines] == [False, True, True]
    idle.forget(ONE)
    assert not any(line.open for line in lines)


@pytest.mark.real
def test_the_next_shell_goes_on_over_the_same_connection_or_a_new_one(own_sshd: Sshd) -> None:
    def port() -> str:
        with SshShell(own_sshd.target()) as shell:
            return shell.run(("sh", "-c", "echo $SSH_CONNECTION"), Deadline.after(60)).stdout

    first = port()
    assert port() == first
    own_sshd.drop_connections()
    assert port() != first
    IDLE.forget(own_sshd.target())
    assert port() != first
    with SshShell(own_sshd.target()) as shell:
        shell.run(("true",), Deadline.after(60))
        shell.close()
