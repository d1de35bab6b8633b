"""SshShell against a real sshd on loopback."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ci.deadline import Deadline
from ci.deploy.capture import LIMIT_BYTES
from ci.deploy.sshshell import SshShell
from ci.errors import InfraError, Interrupted, TimedOut, UsageError
from tests.cable import a_cable
from tests.sshd import Sshd, free_port, make_key, start_sshd, trust

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


def test_threads_share_one_connection(ssh: SshShell, shared_sshd: Sshd) -> None:
    ssh.run(("true",), soon())  # over a connection of its own, or one that was left idle
    before = shared_sshd.log.count("Accepted publickey")
    with ThreadPoolExecutor(20) as pool:
        texts = list(pool.map(lambda n: ssh.run(("echo", str(n)), soon()).stdout, range(200)))
    assert texts == [f"{n}\n" for n in range(200)]
    assert shared_sshd.log.count("Accepted publickey") == before


def test_a_dropped_connection_fails_its_command_and_serves_the_next(
    own_sshd: Sshd, tmp_path: Path
) -> None:
    count = tmp_path / "count"
    with SshShell(own_sshd.target()) as shell:
        threading.Timer(0.7, own_sshd.drop_connections).start()
        script = f"echo ran >> {count}; sleep 30"
        with pytest.raises(InfraError, match="the SSH connection to loopback broke during"):
            shell.run(("sh", "-c", script), soon())
        assert shell.run(("echo", "again"), soon()).stdout == "again\n"
    assert count.read_text() == "ran\n"


def test_a_connection_that_dropped_while_idle_is_opened_again(own_sshd: Sshd) -> None:
    with SshShell(own_sshd.target()) as shell:
        shell.run(("true",), soon())
        own_sshd.drop_connections()
        assert shell.run(("echo", "again"), soon()).stdout == "again\n"


def test_threads_that_find_the_connection_dropped_share_the_next_one(own_sshd: Sshd) -> None:
    with SshShell(own_sshd.target()) as shell:
        shell.run(("true",), soon())
        own_sshd.drop_connections()
        with ThreadPoolExecutor(6) as pool:
            texts = list(pool.map(lambda n: shell.run(("echo", str(n)), soon()).stdout, range(6)))
    assert texts == [f"{n}\n" for n in range(6)]
    assert own_sshd.log.count("Accepted publickey") == 2


def test_a_server_that_hangs_is_left_at_the_deadline(own_sshd: Sshd) -> None:
    with SshShell(own_sshd.target()) as shell:
        shell.run(("true",), soon())
        own_sshd.freeze()
        with pytest.raises(TimedOut, match="true on loopback: no answer in time"):
            shell.run(("true",), soon(1))
        with (
            SshShell(own_sshd.target()) as other,
            pytest.raises(TimedOut, match=r"no SSH answer from 127.0.0.1 port \d+ in time"),
        ):
            other.run(("true",), soon(1))
        own_sshd.thaw()
        assert shell.run(("true",), soon()).ok


@pytest.mark.faults
def test_a_network_that_is_cut_ends_a_command_long_before_its_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ci.deploy.ssh.DEAD_AFTER_MS", 3000)
    monkeypatch.setattr("ci.deploy.ssh.KEEPALIVE_SECONDS", 1)
    with a_cable() as cable:
        server = start_sshd(tmp_path, cable=cable)
        try:
            with SshShell(server.target()) as shell:
                shell.run(("true",), soon())
                threading.Timer(0.5, cable.cut).start()
                deadline = soon(300)
                with pytest.raises(InfraError, match="the SSH connection to loopback broke"):
                    shell.run(("sleep", "1000"), deadline)
                assert deadline.remaining() > 200
                with pytest.raises(InfraError, match=r"^loopback: "):
                    shell.run(("true",), soon(5))
        finally:
            server.stop()


def test_an_unknown_host_key_is_refused_and_shown(shared_sshd: Sshd, tmp_path: Path) -> None:
    trust(tmp_path, free_port(), shared_sshd.folder / "host_key")
    target = shared_sshd.target(known_hosts=str(tmp_path / "known_hosts"))
    with pytest.raises(UsageError, match="is not in") as caught:
        SshShell(target).run(("true",), soon())
    assert "ssh-ed25519 key SHA256:" in caught.value.hint


def test_a_changed_host_key_is_refused(shared_sshd: Sshd, tmp_path: Path) -> None:
    trust(tmp_path, shared_sshd.port, make_key(tmp_path / "former"))
    target = shared_sshd.target(known_hosts=str(tmp_path / "known_hosts"))
    with pytest.raises(InfraError, match="has changed; nothing was sent") as caught:
        SshShell(target).run(("true",), soon())
    assert "ssh-keygen -f" in caught.value.hint


def test_a_host_key_of_another_algorithm_counts_as_changed(
    shared_sshd: Sshd, tmp_path: Path
) -> None:
    trust(tmp_path, shared_sshd.port, make_key(tmp_path / "former", kind="ecdsa"))
    target = shared_sshd.target(known_hosts=str(tmp_path / "known_hosts"))
    with pytest.raises(InfraError, match="has changed"):
        SshShell(target).run(("true",), soon())


def test_a_missing_known_hosts_file_is_named(shared_sshd: Sshd) -> None:
    with pytest.raises(UsageError, match=r"known_hosts file .*nowhere cannot be read"):
        SshShell(shared_sshd.target(known_hosts="nowhere")).run(("true",), soon())


def test_a_wrong_client_key_is_refused(shared_sshd: Sshd, tmp_path: Path) -> None:
    target = shared_sshd.target(key=str(make_key(tmp_path / "stranger")))
    with pytest.raises(UsageError, match=r"does not accept the key .*stranger") as caught:
        SshShell(target).run(("true",), soon())
    assert caught.value.hint.startswith("ssh-copy-id -i")


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: make_key(path, passphrase="correct horse"), "protected by a passphrase"),
        (lambda path: path.write_text("no key"), "not a private key that is understood"),
        (lambda path: None, "cannot be read: No such file"),
    ],
    ids=["passphrase", "no-key", "missing"],
)
def test_a_key_that_cannot_be_used_is_named(
    shared_sshd: Sshd, tmp_path: Path, make: object, sentence: str
) -> None:
    assert callable(make)
    make(tmp_path / "key")
    with pytest.raises(UsageError, match=sentence):
        SshShell(shared_sshd.target(key=str(tmp_path / "key"))).run(("true",), soon())


def test_a_port_where_nothing_listens_is_named(shared_sshd: Sshd) -> None:
    target = shared_sshd.target()
    port = free_port()
    trust(shared_sshd.folder, port, shared_sshd.folder / "host_key", "other_known_hosts")
    dead = type(target)(
        name="dead",
        address=target.address,
        port=port,
        key=target.key,
        known_hosts=str(shared_sshd.folder / "other_known_hosts"),
    )
    with pytest.raises(InfraError, match=f"dead: nothing listens on 127.0.0.1 port {port}"):
        SshShell(dead).run(("true",), soon())


def wait_for(true: object, seconds: float = 10.0) -> None:
    assert callable(true)
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "still not so"
        time.sleep(0.05)
