"""What nobody saw die is told of with its time, and never twice."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from ci.codec import to_json
from ci.crash.explain import CrashReport, explain
from ci.crash.kept import keep_segfaults
from ci.crash.left import unseen, untold
from ci.crash.since import MARK
from ci.crash.told import told
from ci.crash.trace import Trace
from ci.deadline import Deadline
from ci.journal import Event, Journal
from ci.model import CaseResult, LeftCore, Looked, Mark, Outcome, Replaced, Served

CORE = LeftCore(program="libvirtd", pid=812, path="/var/crash/core", at=105.0)
WAS = Served(program="libvirtd", pid=812, start=100, idles=False, at=1.0)
NOW = msgspec.structs.replace(WAS, pid=990, start=10_000, at=105.0)
REPLACED = Looked(replaced=(Replaced(was=WAS, by=NOW),))


def report(*files: str) -> CrashReport:
    return CrashReport(signature="libvirtd: SIGSEGV", told=told(Trace(), "core"), files=files)


def ledger(folder: Path, *cases: tuple[str, float, float, str]) -> Path:
    """Of cases by name, begin, end and how they failed, if they did."""
    path = folder / "ledger.jsonl"
    journal = Journal(path)
    for name, began, ended, why in cases:
        outcome = Outcome.FAILED if why else Outcome.PASSED
        case = CaseResult(
            suite="tck", name=name, outcome=outcome, message=why, seconds=ended - began,
            properties={"verdict": "crashed"} if "crashed" in why else {},
        )  # fmt: skip
        journal.append(Event(at=ended, what="case", name=name, data=msgspec.Raw(to_json(case))))
    journal.close()
    return path


@pytest.mark.parametrize("file", ["cores/core.libvirtd.812.gz", "var-crash/core.gz", "core"])
def test_a_core_that_a_crash_was_read_of_is_not_told_of_again(tmp_path: Path, file: str) -> None:
    path = ledger(tmp_path)
    assert untold(Looked(cores=(CORE,)), [report(file)], path, tmp_path) == ()


@pytest.mark.parametrize("file", ["cores/core.libvirtd.813.gz", "journal.txt"])
def test_a_core_that_could_not_be_read_is_a_crash_as_well(tmp_path: Path, file: str) -> None:
    (one,) = untold(Looked(cores=(CORE,)), [report(file)], ledger(tmp_path), tmp_path)
    assert one.signature == "libvirtd: core that was not read"
    assert "process 812 of libvirtd left /var/crash/core, which could not" in one.trouble


@pytest.mark.parametrize(
    ("cases", "said"),
    [
        ([("a", 90, 100, ""), ("b", 101, 110, "")], "at 00:01:45 UTC, while b ran"),
        ([("a", 90, 120, ""), ("b", 101, 110, "")], "at 00:01:45 UTC, while a, b ran"),
        ([("a", 90, 100, ""), ("b", 106, 110, "")], "at 00:01:45 UTC, behind a, before b"),
        ([("a", 90, 100, "")], "at 00:01:45 UTC, behind a"),
        ([("b", 106, 110, "")], "at 00:01:45 UTC, before b"),
        ([], "at 00:01:45 UTC"),
    ],
)
def test_the_time_of_a_core_says_which_cases_ran(
    tmp_path: Path, cases: list[tuple[str, float, float, str]], said: str
) -> None:
    text = unseen((CORE,), report("core.libvirtd.812.gz"), ledger(tmp_path, *cases))
    assert text == f"no case failed of it; process 812 left its core {said}"


def test_where_a_case_died_of_something_nobody_says_that_none_did(tmp_path: Path) -> None:
    path = ledger(tmp_path, ("a", 90, 110, "it crashed the daemon (process 5)"))
    text = unseen((CORE,), report("core.libvirtd.812.gz"), path)
    assert text == "process 812 left its core at 00:01:45 UTC, while a ran"
    assert untold(REPLACED, [], path, tmp_path) == ()


def test_a_daemon_of_which_the_kernel_noted_a_segfault_is_told_of_by_that(tmp_path: Path) -> None:
    line = "[9.1] libvirtd[812]: segfault at 0 ip 00007f0 sp 00007f1 error 4 in libvirt.so[7f0+9]"
    (tmp_path / "dmesg.txt").write_text(f"{line}\n")
    keep_segfaults(ledger(tmp_path), tmp_path, {"812"})
    (one,) = explain(tmp_path, None, Deadline.after(60.0))
    assert one.signature.startswith("libvirtd: SIGSEGV")
    assert untold(REPLACED, [one], tmp_path / "ledger.jsonl", tmp_path) == ()


def test_a_segfault_of_another_process_or_another_time_is_not_its_own(tmp_path: Path) -> None:
    old, new = (
        f"[{at}] {who}: segfault at 0 ip 00007f0 sp 00007f1 error 4 in libvirt.so[7f0+9]"
        for at, who in (("7.0", "libvirtd[812]"), ("9.1", "rpc-libvirtd[813]"))
    )
    mark = Mark(boot_id="b", last={"dmesg.txt": old})
    (tmp_path / MARK).write_bytes(to_json(mark))
    (tmp_path / "dmesg.txt").write_text(f"{old}\n{new}\n")
    keep_segfaults(ledger(tmp_path), tmp_path, {"812"})
    assert not list(tmp_path.glob("segfault.*"))


def test_a_daemon_that_is_another_one_is_told_of_with_what_the_kernel_says(tmp_path: Path) -> None:
    kernel = "[9.1] Out of memory: Killed process 812 (libvirtd) total-vm:9kB"
    (tmp_path / "dmesg.txt").write_text(f"[8.0] Killed process 8125 (x)\n{kernel}\n")
    (one,) = untold(REPLACED, [], ledger(tmp_path, ("a", 90, 100, "")), tmp_path)
    assert one.signature == "libvirtd: ended without a core"
    assert one.trouble == (
        "libvirtd (process 812) ended meanwhile and left no core; process 990 answers now,"
        f" which began at 00:01:45 UTC, behind a; no case failed of it; the kernel: {kernel}"
    )
