"""What other tools write of a crash is read like gdb's own words."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from ci.crash import files
from ci.crash.console import parse_panics
from ci.crash.files import crashes_in, read_telling
from ci.crash.foreign import in_gdbs_words
from ci.crash.group import group
from ci.crash.signature import signature
from ci.crash.text import MOST_THREADS, parse_traces
from ci.deadline import Deadline
from ci.errors import UsageError
from ci.shell import LocalShell
from tests.crash.samples import OLD

NAME = "virtqemud: SIGSEGV in qemuDomainObjEndJob < qemuProcessHandleMonitorEOF"
FUNCTIONS = ("virObjectUnref", "qemuDomainObjEndJob", "qemuProcessHandleMonitorEOF")
ABRT_JSON = json.dumps({
    "signal": 11, "executable": "/usr/sbin/virtqemud",
    "stacktrace": [
        {"frames": [{"address": 7, "function_name": "__poll", "file_name": "/lib64/libc.so.6"}]},
        {"crash_thread": True, "frames": [
            {"address": 140214437711020 + n, "function_name": name, "build_id_offset": 5,
             "file_name": "/usr/lib64/libvirt.so.0.9000.0"}
            for n, name in enumerate(FUNCTIONS)
        ]},
    ],
})  # fmt: skip
MESSAGE = "\n".join((
    "Process 4321 (rpc-virtqemud) of user 0 dumped core.", "", "Stack trace of thread 4325:",
    *(f"#{n}  0x00007f0a1c2d3e4{n} {name} (libvirt.so.0 + 0xc3e4{n})"
      for n, name in enumerate(FUNCTIONS)),
    "", "Stack trace of thread 4321:", "#0  0x00007f0a1bbbbe4f __poll (libc.so.6 + 0xfbe4f)",
))  # fmt: skip
ENTRY = {"COREDUMP_EXE": "/usr/sbin/virtqemud", "COREDUMP_SIGNAL": "11", "MESSAGE": MESSAGE}
ABRT_REPORT = f"""\
reason:         virtqemud killed by SIGSEGV
executable:     /usr/sbin/virtqemud

Truncated backtrace:
Thread no. 1 (3 frames)
 #0 {FUNCTIONS[0]} at ../src/util/virobject.c:300
 #1 {FUNCTIONS[1]} at ../src/qemu/qemu_domainjob.c:300
 #2 {FUNCTIONS[2]} at ../src/qemu/qemu_process.c:900
"""
LLDB = f"""\
(lldb) target create "/usr/sbin/virtqemud" --core "core.4321"
(lldb) bt all
* thread #1, name = 'rpc-virtqemud', stop reason = signal SIGSEGV: address not mapped
  * frame #0: 0x00007f0a1c2d3e4f libvirt.so.0`{FUNCTIONS[0]}(anyobj=0x7f00) at virobject.c:300:9
    frame #1: 0x00007f0a1c2d3e5f libvirt_driver_qemu.so`{FUNCTIONS[1]} + 31
    frame #2: 0x00007f0a1c2d3e6f libvirt_driver_qemu.so`outer(a=1) [inlined] {FUNCTIONS[2]} at q.c:9
  thread #2, stop reason = signal 0
    frame #0: 0x00007f0a1bbbbe4f libc.so.6`__poll(fds=0x1, nfds=2, timeout=-1) at poll.c:29:10
"""
APPORT = f"""\
ProblemType: Crash
ExecutablePath: /usr/sbin/virtqemud
Signal: 11
CoreDump: base64
 H4sICAAAAAAC/0NvcmVEdW1wAA==
 IzAgIDB4MDAgaW4gb3RoZXIgKCk=
Stacktrace:
 #0  0x00007f0a1c2d3e4f in {FUNCTIONS[0]} (anyobj=0x7f00) at ../src/util/virobject.c:300
 #1  0x00007f0a1c2d3e5f in {FUNCTIONS[1]} (obj=0x7f00) at ../src/qemu/qemu_domainjob.c:300
 #2  0x00007f0a1c2d3e6f in {FUNCTIONS[2]} (mon=0x1) at ../src/qemu/qemu_process.c:900
"""
EU_STACK = f"""\
PID 4321 - core
TID 4325:
#0  0x00007f0a1c2d3e4f     {FUNCTIONS[0]} - /usr/lib64/libvirt.so.0.9000.0
    ../src/util/virobject.c:300:5
#1  0x00007f0a0b2d3e4f - 1 {FUNCTIONS[1]} - /usr/lib64/libvirt_driver_qemu.so
#2  0x00007f0a0b2d3fff {FUNCTIONS[2]}
TID 4321:
#0  0x00007f0a1bbbbe4f __poll
"""
CATCHSEGV = """\
*** Segmentation fault
Register dump:
Backtrace:
/usr/lib64/libvirt.so.0(qemuDomainObjEndJob+0x1f)[0x7f0a1c2d3e4f]
"""
OCAML = """\
Nov 10 10:10:10 host oxenstored[500]: Fatal error: exception Not_found
Raised at Hashtbl.find in file "hashtbl.ml", line 539, characters 13-28
Called from Connections.find_domain in file "connections.ml", line 77, characters 2-9
"""
SAME = {
    "abrt.json": ABRT_JSON,
    "journal.json": json.dumps(ENTRY),
    "journal-lines.json": f"{json.dumps({'MESSAGE': 'x'})}\n{json.dumps(ENTRY)}\n",
    "coredumpctl.json": json.dumps([ENTRY]),
    "journal-bytes.json": json.dumps({**ENTRY, "MESSAGE": list(MESSAGE.encode())}),
    "abrt.txt": ABRT_REPORT,
    "lldb.txt": LLDB,
    "apport.crash": APPORT,
}


@pytest.mark.parametrize("name", SAME)
def test_one_crash_has_one_name_whoever_writes_it(name: str) -> None:
    (trace,) = parse_traces(SAME[name])
    assert signature(trace) == NAME


def test_all_of_them_are_one_group() -> None:
    traces = [parse_traces(text)[0] for text in (*SAME.values(), EU_STACK)]
    assert len(group(traces)) == 1


def test_a_core_of_which_nobody_says_the_signal_is_a_crash_and_no_hang() -> None:
    (trace,) = parse_traces(EU_STACK)
    assert signature(trace) == NAME.replace("virtqemud: SIGSEGV", "libvirtd: crash")
    frame = trace.frames[0]
    assert (frame.file, frame.line) == ("../src/util/virobject.c", 300)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (CATCHSEGV, "libvirtd: SIGSEGV in qemuDomainObjEndJob"),
        (
            OCAML,
            "oxenstored: exception Not_found in Hashtbl.find < Connections.find_domain",
        ),
    ],
)
def test_other_programs_words_are_read_too(text: str, name: str) -> None:
    assert signature(parse_traces(text)[0]) == name


@pytest.mark.parametrize(
    "text",
    [
        "{", "[[[[", '{"stacktrace": 5}', '{"stacktrace": [{"frames": [3, {"address": "x"}]}]}',
        '{"COREDUMP_SIGNAL": "99999999999999", "MESSAGE": [1, "a", 999]}', "[" * 100_000,
        "frame #0: 0x", "Thread no. 1 (1 frames)\n #0", "PID 1 - core\n\nTID 1:\n#0  0x1",
    ],
)  # fmt: skip
def test_damaged_reports_do_no_harm(text: str) -> None:
    parse_traces(text)
    assert in_gdbs_words(text) is not None


def test_a_folder_of_abrt_is_one_crash_and_another_folder_is_refused(tmp_path: Path) -> None:
    problem = tmp_path / "ccpp-2026-11-10"
    problem.mkdir()
    (problem / "core_backtrace").write_text(ABRT_JSON)
    found = crashes_in(problem, LocalShell(), Deadline.after(60))
    assert [signature(one.trace) for one in found] == [NAME]
    (problem / "backtrace").write_text(APPORT.partition("Stacktrace:")[2])
    (problem / "executable").write_text("/usr/sbin/virtqemud")
    (problem / "reason").write_text("virtqemud killed by SIGSEGV")
    found = crashes_in(problem, LocalShell(), Deadline.after(60))
    assert [signature(one.trace) for one in found] == [NAME]
    with pytest.raises(UsageError, match="is a folder"):
        crashes_in(tmp_path, LocalShell(), Deadline.after(60))


def test_a_crash_in_the_middle_of_a_huge_file_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "TEXT_BYTES", 2**20)
    monkeypatch.setattr(files, "BLOCK_BYTES", 2**16)
    monkeypatch.setattr(files, "AROUND_BYTES", 2**14)
    line = "2026-11-28 20:00:00.123+0000: 1234: debug : virThreadJobSet:97 : now running\n"
    told = OLD[0].read_text()
    for before in range(20_000, 20_900, 97):  # wherever the blocks are cut
        (tmp_path / "log").write_text(line * before + told + line * 9_000)
        assert told in read_telling(tmp_path / "log").replace("\r", "")


def test_more_threads_than_any_daemon_has_take_no_time_without_end() -> None:
    text = io.StringIO()
    for number in range(MOST_THREADS + 50):
        text.write(f"Thread {number} (Thread 0x7f (LWP {number})):\n#0  0x0001 in f () at a.c:1\n")
    assert len(parse_traces(text.getvalue())[0].threads) <= MOST_THREADS


@pytest.mark.parametrize(
    ("trap", "name"),
    [
        ("FATAL TRAP: vec 13, #GP[0000]", "xen: FATAL TRAP: GP"),
        ("FATAL TRAP: vector = 6 (invalid opcode)", "xen: FATAL TRAP: invalid opcode"),
    ],
)
def test_traps_of_xen_old_and_new(trap: str, name: str) -> None:
    text = (
        f"(XEN) Xen call trace:\n(XEN)    [<ffff82d0402fffff>] R evtchn_send+0x1f/0x300\n"
        f"(XEN)    [<ffff82d0402ffff0>] S do_event_channel_op+0x1f/0x300\n(XEN)\n"
        f"(XEN) Panic on CPU 3:\n(XEN) {trap}\n"
    )
    (trace,) = parse_panics(text)
    assert signature(trace) == f"{name} in evtchn_send < do_event_channel_op"
