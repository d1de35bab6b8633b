"""Loops on a real libvirtd with real guests: what is proven, and what happens when it dies."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import msgspec
import pytest

from ci.guest.build import Guest
from ci.journal import read
from ci.model import Outcome
from suites.stress.options import Options
from tests.libvirtd import Libvirtd, start_libvirtd
from tests.stress.loop import Looped, ended, kill, loop, start

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]


def on_qemu(daemon: Libvirtd, guest: Guest, folder: Path, **changed: object) -> Options:
    made = Options(
        connect=daemon.uri,
        ledger=str(folder / "ledger"),
        loops=2,
        guest_kernel=guest.kernel,
        guest_initrd=guest.initrd,
        scratch=str(folder),
    )
    return msgspec.structs.replace(made, **changed)


def scenario(folder: Path, text: str) -> str:
    (folder / "mine.py").write_text(text)
    return f"{folder / 'mine.py'}:mine"


def virsh(daemon: Libvirtd, *words: str, stdin: str | None = None) -> str:
    done = subprocess.run(
        ("virsh", "-c", daemon.uri, *words),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


def test_each_boot_is_proven_by_a_boot_id_of_its_own(
    libvirtd: Libvirtd, tiny_guest: Guest, tmp_path: Path
) -> None:
    done = loop(on_qemu(libvirtd, tiny_guest, tmp_path))
    assert done.verdict.outcome == "PASS", done.said
    assert "no guest ran" not in done.verdict.text
    boots = [op.boot_id for op in done.operations if op.op == "alive"]
    assert len(set(boots)) == 4
    assert {op.daemon_pid for op in done.operations} == {libvirtd.pid}


@pytest.mark.parametrize(
    "name",
    [
        "suspend-resume", "save-restore", "managed-save", "disk", "memory", "snapshot",
        "destroy-storm",
    ],
)  # fmt: skip
def test_a_scenario_holds_on_a_real_guest(
    libvirtd: Libvirtd, tiny_guest: Guest, tmp_path: Path, name: str
) -> None:
    done = loop(on_qemu(libvirtd, tiny_guest, tmp_path, scenario=name, loops=1))
    assert done.verdict.outcome == "PASS", done.said


def test_a_loop_leaves_nothing_open_in_the_daemon(
    libvirtd: Libvirtd, tiny_guest: Guest, tmp_path: Path
) -> None:
    done = loop(on_qemu(libvirtd, tiny_guest, tmp_path, scenario="destroy-storm", loops=16))
    assert done.verdict.outcome == "PASS", done.said
    assert "nobody" not in done.said


def test_a_descriptor_that_is_lost_in_each_iteration_is_a_leak(
    libvirtd: Libvirtd, tiny_guest: Guest, tmp_path: Path
) -> None:
    mine = scenario(
        tmp_path,
        "kept = []\n"
        "def mine(play):\n"
        "    play('create')\n"
        "    stream = play.guest.connection.raw.newStream(0)\n"
        "    play.guest.domain.openConsole(None, stream, 1)\n"
        "    kept.append(stream)\n"
        "    play('destroy')\n",
    )
    done = loop(on_qemu(libvirtd, tiny_guest, tmp_path, scenario=mine, loops=16))
    assert done.verdict.outcome == "FAIL", done.said
    assert "the daemon leaks file descriptors: +" in done.said


def test_a_pause_that_does_not_stop_the_guest_is_noticed(
    libvirtd: Libvirtd, tiny_guest: Guest, tmp_path: Path
) -> None:
    mine = scenario(
        tmp_path,
        "from suites.stress.operations import lifecycle\n"
        "lifecycle.state = lambda guest: 'paused'\n"
        "def mine(play):\n"
        "    for step in ('create',): play(step)\n"
        "    lifecycle.wait_on_console(play.guest, 'beat', lambda: play.guest.transcript.beats)\n"
        "    play('silent')\n",
    )
    done = loop(on_qemu(libvirtd, tiny_guest, tmp_path, scenario=mine, loops=1))
    assert "is paused by libvirt and its heart beats on" in done.cases[0].message


def test_two_guests_run_at_once(libvirtd: Libvirtd, tiny_guest: Guest, tmp_path: Path) -> None:
    done = loop(on_qemu(libvirtd, tiny_guest, tmp_path, guests=2, loops=4))
    assert done.verdict.outcome == "PASS", done.said
    assert {
        op.guest for path in tmp_path.glob("ledger.*") for op in Looped(0, "", path).operations
    } == {
        "virtci-stress-1",
        "virtci-stress-2",
    }


def test_a_guest_that_never_comes_up_shows_its_console(
    libvirtd: Libvirtd, tiny_guest: Guest, tmp_path: Path
) -> None:
    (tmp_path / "initrd").write_text("this is no initrd")
    options = on_qemu(
        libvirtd, tiny_guest, tmp_path, loops=1, boot_seconds=25, scratch=str(tmp_path)
    )
    done = loop(msgspec.structs.replace(options, guest_initrd=str(tmp_path / "initrd")))
    (case,) = done.cases
    assert case.outcome is Outcome.FAILED
    assert "the console shows no new boot id within 25 s" in case.message
    assert "Kernel panic" in case.detail


def test_a_daemon_that_dies_fails_the_iteration_and_the_loop_goes_on(
    respawning_libvirtd: Libvirtd, tiny_guest: Guest, tmp_path: Path
) -> None:
    dying = scenario(
        tmp_path,
        "import os, signal\n"
        "def mine(play):\n"
        "    play('create')\n"
        "    if play.number == 1:\n"
        "        os.kill(play.guest.host.daemon.pid, signal.SIGSEGV)\n"
        "    play('alive')\n"
        "    play('destroy')\n",
    )
    before = respawning_libvirtd.pid
    done = loop(on_qemu(respawning_libvirtd, tiny_guest, tmp_path, scenario=dying))
    after = respawning_libvirtd.pid
    assert [case.outcome for case in done.cases] == [Outcome.FAILED, Outcome.PASSED], done.said
    assert f"the daemon was process {before}, now it is process {after}" in done.cases[0].message
    assert done.verdict.outcome == "FAIL"


def test_a_daemon_that_dies_ends_the_loop_when_told_so(
    respawning_libvirtd: Libvirtd, tiny_guest: Guest, tmp_path: Path
) -> None:
    options = on_qemu(respawning_libvirtd, tiny_guest, tmp_path, on_daemon_death="stop", loops=5)
    process = start(options)
    until = time.monotonic() + 60
    while not (tmp_path / "ledger").exists() or not any(
        event.what == "op" for event in read(tmp_path / "ledger")
    ):
        assert time.monotonic() < until
        time.sleep(0.2)
    os.kill(respawning_libvirtd.pid, signal.SIGKILL)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "the daemon died, and the loop was told to stop then" in said


def test_a_call_that_hangs_is_ended_and_the_guest_destroyed_from_a_fresh_connection(
    libvirtd: Libvirtd, tiny_guest: Guest, tmp_path: Path
) -> None:
    hanging = scenario(
        tmp_path,
        "import os, signal, threading\n"
        "def mine(play):\n"
        "    play('create')\n"
        "    if play.number == 1:\n"
        "        pid = play.guest.host.daemon.pid\n"
        "        os.kill(pid, signal.SIGSTOP)\n"
        "        threading.Timer(6, os.kill, (pid, signal.SIGCONT)).start()\n"
        "    play('chatter')\n"
        "    play('destroy')\n",
    )
    done = loop(on_qemu(libvirtd, tiny_guest, tmp_path, scenario=hanging, call_seconds=3))
    assert [case.outcome for case in done.cases] == [Outcome.FAILED, Outcome.PASSED], done.said
    assert "listAllDomains did not return within 3 s" in done.cases[0].message
    assert f"still process {libvirtd.pid}" in done.cases[0].message


def test_what_a_killed_loop_left_is_swept_and_nobody_elses(
    libvirtd: Libvirtd, tiny_guest: Guest, tmp_path: Path
) -> None:
    foreign = "<domain type='qemu'><name>somebody-else</name><memory unit='MiB'>32</memory><os>"
    virsh(libvirtd, "define", "/dev/stdin", stdin=foreign + "<type>hvm</type></os></domain>")
    options = on_qemu(libvirtd, tiny_guest, tmp_path, loops=1)
    process = start(options)
    until = time.monotonic() + 60
    while "virtci-stress-0" not in virsh(libvirtd, "list", "--name"):
        assert time.monotonic() < until
        time.sleep(0.1)
    kill(process)
    assert "virtci-stress-0" in virsh(libvirtd, "list", "--name")
    try:
        done = loop(options)
        assert done.verdict.outcome == "PASS", done.said
        assert virsh(libvirtd, "list", "--all", "--name").split() == ["somebody-else"]
    finally:
        virsh(libvirtd, "undefine", "somebody-else")
    assert sum(event.what == "case" for event in read(tmp_path / "ledger")) == 1


def test_asked_to_end_in_the_middle_of_a_boot_it_ends_soon_and_leaves_nothing(
    libvirtd: Libvirtd, tiny_guest: Guest, tmp_path: Path
) -> None:
    options = on_qemu(libvirtd, tiny_guest, tmp_path)
    (tmp_path / "initrd").write_text("a guest that never says anything")
    process = start(msgspec.structs.replace(options, guest_initrd=str(tmp_path / "initrd")))
    until = time.monotonic() + 60
    while "virtci-stress-0" not in virsh(libvirtd, "list", "--name"):
        assert time.monotonic() < until
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    done = ended(process, options, seconds=60)  # far less than the guest's time to boot
    assert done.status == 130
    assert done.cases == []
    assert "virtci-stress-0" not in virsh(libvirtd, "list", "--all", "--name")


def test_a_guest_migrates_to_a_second_host_and_back(
    libvirtd: Libvirtd, tiny_guest: Guest, tmp_path: Path
) -> None:
    with start_libvirtd() as second:
        options = on_qemu(
            libvirtd,
            tiny_guest,
            tmp_path,
            scenario="migration",
            loops=1,
            destination=second.uri,
            migrate_uri=f"unix://{tmp_path}/migration",
        )
        done = loop(options)
        assert done.verdict.outcome == "PASS", done.said
        assert len({op.boot_id for op in done.operations if op.boot_id}) == 1
        assert len({op.domain_id for op in done.operations if op.domain_id >= 0}) == 2
        assert virsh(second, "list", "--all", "--name").split() == []


def test_random_walks_agree_with_the_model(
    libvirtd: Libvirtd, tiny_guest: Guest, tmp_path: Path
) -> None:
    done = loop(on_qemu(libvirtd, tiny_guest, tmp_path, scenario="walk", loops=4, seed=11))
    assert done.verdict.outcome == "PASS", done.said


def test_a_restarted_daemon_finds_its_guest_again(
    respawning_libvirtd: Libvirtd, tiny_guest: Guest, tmp_path: Path
) -> None:
    kill_it = f"kill $(cat {respawning_libvirtd.folder}/run/pid)"
    options = on_qemu(
        respawning_libvirtd,
        tiny_guest,
        tmp_path,
        scenario="daemon-restart",
        loops=1,
        daemon_restart=("sh", "-c", kill_it),
    )
    done = loop(options)
    assert done.verdict.outcome == "PASS", done.said
    assert len({op.daemon_pid for op in done.operations}) == 2
    assert len({op.boot_id for op in done.operations if op.boot_id}) == 1
