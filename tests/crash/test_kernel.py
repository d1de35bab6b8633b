"""Deaths of which only a line of the kernel, its audit or systemd is left have a name, too."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ci.crash.files import crashes_in
from ci.crash.foreign import in_gdbs_words
from ci.crash.kernel import exits, segfaults
from ci.crash.signature import signature
from ci.crash.text import parse_traces
from ci.deadline import Deadline
from ci.shell import LocalShell

POOL = (
    "[ 2666.6] rpc-libvirtd[5444]: segfault at 0 ip 00007fe1f5680eea sp 00007fe1f7ffe530 error 4"
    " in libvirt_driver_qemu.so[79eea,7fe1f564f000+121000] likely on CPU 3 (core 3, socket 0)"
)
TRAP = (
    "kernel: traps: xl[29086] general protection ip:7f207dc2b37d sp:7fff62256490 error:0"
    " in libxenlight.so.4.6.0[7f207dc11000+91000]"
)
ABEND = (
    'audit[29086]: ANOM_ABEND auid=4294967295 uid=0 gid=0 ses=4294967295 pid=29086 comm="xl"'
    ' exe="/usr/sbin/xl" sig=11'
)
ARM = (
    "[ 12.5] qemu-system-aar[734]: unhandled level 2 translation fault (11) at 0x00000008,"
    " esr 0x92000006, in qemu-system-aarch64[aaaac0000000+a00000]"
)
POWER = "qemu-kvm[1234]: segfault (11) at 0 nip 7fff95c lr 7fff95c code 1 in libvirt.so.0[7fff+1e]"
UNIT = "systemd[1]: virtqemud.service: Main process exited, code=dumped, status=11/SEGV"
STATUS = "  Process: 868 ExecStart=/usr/sbin/libvirtd $args (code=dumped, signal=SEGV)"
STACK = """\
Process 5400 (rpc-libvirtd) of user 0 dumped core.

Stack trace of thread 5444:
#0  0x00007f388e052924 __pthread_mutex_lock (libpthread.so.0)
#1  0x00007f3850450b62 virQEMUDriverGetConfig (libvirt_driver_qemu.so)
#2  0x00007f3850495cd0 qemuStateStop (libvirt_driver_qemu.so)
"""
NAME = "libvirtd: SIGSEGV in virQEMUDriverGetConfig < qemuStateStop"


def names(text: str) -> list[str]:
    return [signature(trace) for trace in parse_traces(text)]


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (POOL, "libvirtd: SIGSEGV in unknown code of libvirt_driver_qemu.so"),
        (TRAP, "xl: SIGSEGV in unknown code of libxenlight.so"),
        (ABEND, "xl: SIGSEGV in unknown code"),
        (ARM, "qemu: SIGSEGV in unknown code of qemu-system-aarch64"),
        (POWER, "qemu: SIGSEGV in unknown code of libvirt.so"),
        (
            "traps: virtqemud[7] trap invalid opcode ip:55d sp:7ff error:0 in virtqemud[55+9]",
            "virtqemud: SIGILL in unknown code of virtqemud",
        ),
    ],
)
def test_a_line_names_program_signal_and_library(line: str, name: str) -> None:
    assert names(line) == [name]


def test_several_lines_about_one_process_are_one_crash() -> None:
    assert names(f"{ABEND}\n{TRAP}") == ["xl: SIGSEGV in unknown code of libxenlight.so"]
    assert names(f"{TRAP}\n{ABEND}\n{POOL}") == [
        "xl: SIGSEGV in unknown code of libxenlight.so",
        "libvirtd: SIGSEGV in unknown code of libvirt_driver_qemu.so",
    ]


def test_a_line_beside_the_stack_gives_the_signal() -> None:
    assert names(f"{POOL}\n{STACK}") == [NAME]


def test_a_dumped_core_without_a_signal_is_a_crash_and_no_hang() -> None:
    (name,) = names(STACK)
    assert name == NAME.replace("SIGSEGV", "crash")


@pytest.mark.parametrize("text", [UNIT, STATUS])
def test_what_systemd_notes_of_a_service_counts_where_nothing_else_tells(
    tmp_path: Path, text: str
) -> None:
    file = tmp_path / "status.txt"
    file.write_text(f"{text}\n{text}\n")
    (found,) = crashes_in(file, LocalShell(), Deadline.after(30))
    assert signature(found.trace).endswith("d: SIGSEGV in unknown code")
    file.write_text(f"{text}\n{STACK}")
    (found,) = crashes_in(file, LocalShell(), Deadline.after(30))
    assert signature(found.trace).endswith("in virQEMUDriverGetConfig < qemuStateStop")


@pytest.mark.parametrize("signal", ["15/TERM", "9/KILL"])
def test_a_service_that_was_ended_did_not_crash(signal: str) -> None:
    line = f"systemd[1]: libvirtd.service: Main process exited, code=killed, status={signal}"
    assert not exits(line)
    assert not names(ABEND.replace("sig=11", "sig=9"))


def test_a_workers_fault_is_found_by_the_process_of_its_daemon() -> None:
    assert "libvirt_driver_qemu.so" in segfaults(POOL, "5400")
    assert not segfaults(POOL, "5500")  # younger than its thread
    assert not segfaults(TRAP, "29000")


def test_a_log_of_the_kernel_is_no_json() -> None:
    """It begins with a bracket; to look for the line of each error took minutes."""
    began = time.process_time()
    text = "".join(f"[ 12.{n}] " + POOL[10:].replace("5444", str(n)) + "\n" for n in range(3000))
    assert len(parse_traces(text)) == 3000
    once = time.process_time() - began
    began = time.process_time()
    assert in_gdbs_words("[ 1.0] nothing\n" * 60_000)
    assert time.process_time() - began < 20 * once
