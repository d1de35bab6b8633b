"""The scripted host behaves as the real one does, as far as it goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.deadline import Deadline
from ci.deploy.sshshell import SshShell
from ci.shell import Shell
from tests.fakes import FakeShell, failed
from tests.sshd import running_sshd


def check_shell(shell: Shell, tmp_path: Path) -> None:
    """What every shell promises."""
    echo = shell.run(("echo", "text"), Deadline.after(30))
    assert (echo.argv, echo.status, echo.stdout, echo.stderr) == (("echo", "text"), 0, "text\n", "")
    assert shell.run(("false",), Deadline.after(30)).status == 1
    logged = shell.run(("echo", "text"), Deadline.after(30), log=tmp_path / "log")
    assert (tmp_path / "log").read_text() == logged.stdout == "text\n"


def test_the_fake_keeps_the_promises_of_a_shell(tmp_path: Path) -> None:
    check_shell(FakeShell({("echo",): "text\n", ("false",): failed(1)}), tmp_path)


@pytest.mark.real
def test_a_host_over_ssh_keeps_the_same_promises(tmp_path: Path) -> None:
    (tmp_path / "sshd").mkdir()
    for server in running_sshd(tmp_path / "sshd"):
        with SshShell(server.target()) as shell:
            check_shell(shell, tmp_path)


def test_a_command_that_nobody_scripted_fails_by_name() -> None:
    with pytest.raises(AssertionError, match=r"nobody scripted an answer to: .*'rm'"):
        FakeShell({("ls",): ""}).run(("rm", "-r"), Deadline.after(1))


def test_answers_come_one_by_one() -> None:
    shell = FakeShell({("ls",): ("first", "last")})
    said = [shell.run(("ls",), Deadline.after(1)).stdout for _ in range(3)]
    assert said == ["first", "last", "last"]
