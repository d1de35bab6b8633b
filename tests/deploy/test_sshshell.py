"""SshShell against a real sshd on loopback: commands, their output, their end."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from ci.deadline import Deadline
from ci.deploy.capture import LIMIT_BYTES
from ci.deploy.sshshell import SshShell
from ci.errors import Interrupted, TimedOut

pytestmark = pytest.mark.real
HOSTILE = "it's \"$HOME\" `id` $(id) ; & | > < \\ * \n tab\t é ''"


def soon(seconds: float = 60.0) -> Deadline:
    return Deadline.after(seconds)


def test_status_and_both_outputs_come_back(ssh: SshShell) -> None:
    done = ssh.run(("sh", "-c", "echo out; echo err >&2; exit 3"), soon())
    assert (done.status, done.stdout, done.stderr) == (3, "out\n", "err\n")


def test_arguments_arrive_as_they_are(ssh: SshShell) -> None:
    done = ssh.run(("printf", "%s|", HOSTILE, "", "-n"), soon())
    assert done.stdout == f"{HOSTILE}||-n|"


def test_environment_and_folder_are_set(ssh: SshShell, tmp_path: Path) -> None:
    folder = tmp_path / "with space"
    folder.mkdir()
    argv = ("sh", "-c", 'pwd; printf %s "$V"')
    done = ssh.run(argv, soon(), cwd=str(folder), env={"V": HOSTILE})
    assert done.stdout == f"{folder}\n{HOSTILE}"


def test_a_missing_program_or_folder_is_status_127(ssh: SshShell) -> None:
    missing = ssh.run(("no-such-program-here",), soon())
    assert missing.status == 127
    assert "no-such-program-here" in missing.stderr
    assert ssh.run(("true",), soon(), cwd="/no/such/folder").status == 127


def test_a_command_that_a_signal_ends_is_no_lost_connection(ssh: SshShell) -> None:
    assert ssh.run(("sh", "-c", "kill -SEGV $$"), soon()).status == -1
    assert ssh.run(("true",), soon()).ok


def test_input_arrives_whole_and_then_ends(ssh: SshShell) -> None:
    text = "line\n" * 200_000
    done = ssh.run(("wc", "-c"), soon(), stdin=text)
    assert int(done.stdout) == len(text)
    assert ssh.run(("cat",), soon()).stdout == ""


def test_input_that_nobody_reads_holds_nothing_up(ssh: SshShell) -> None:
    assert ssh.run(("true",), soon(), stdin="x" * 10_000_000).ok


@pytest.mark.parametrize("redirection", ["", ">&2"])
def test_a_flood_on_either_output_neither_blocks_nor_grows(ssh: SshShell, redirection: str) -> None:
    script = f"echo first >&2; head -c 100000000 /dev/zero | tr '\\0' x {redirection}; echo last"
    done = ssh.run(("sh", "-c", script), soon())
    assert done.ok
    assert done.stdout.endswith("last\n")
    assert len(done.stderr if redirection else done.stdout) == LIMIT_BYTES


def test_a_log_file_holds_everything(ssh: SshShell, tmp_path: Path) -> None:
    log = tmp_path / "new" / "log"
    done = ssh.run(("sh", "-c", "seq 100000; echo err >&2"), soon(), log=log)
    text = log.read_text()
    assert "99999\n" in text
    assert "err\n" in text
    assert (done.stdout, done.stderr) == (text, "")


def test_a_hanging_command_is_killed_with_its_children(ssh: SshShell, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    script = f"sleep 1000 & echo $! > {pid_file}; wait"
    with pytest.raises(TimedOut, match="on loopback did not end in time and was killed"):
        ssh.run(("sh", "-c", script), soon(1.5))
    child = Path("/proc", pid_file.read_text().strip())
    wait_for(lambda: not child.exists())
    assert ssh.run(("true",), soon()).ok


def test_a_stop_ends_a_command_at_once(ssh: SshShell) -> None:
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    with pytest.raises(Interrupted):
        ssh.run(("sleep", "1000"), Deadline.after(600, stop=stop))


def test_a_daemon_left_behind_does_not_hold_the_command(ssh: SshShell) -> None:
    done = ssh.run(("sh", "-c", "sleep 20 & echo started $!"), soon(15))
    assert done.stdout.startswith("started ")
    ssh.run(("kill", done.stdout.split()[1]), soon())


def wait_for(true: object, seconds: float = 10.0) -> None:
    assert callable(true)
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "still not so"
        time.sleep(0.05)
