"""What only the suite knows of a crash: stacks that it took itself, deaths that left nothing."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from ci.codec import to_json
from ci.crash.explain import explain
from ci.crash.kept import keep_segfaults, keep_stacks, nothing_found
from ci.deadline import Deadline
from ci.journal import Event, Journal
from ci.model import CaseResult, Outcome

HUNG = "virDomainCreate() did not return within 3 s"
LOST = "state: End of file while reading data: Input/output error"
STACKS = """\
process 77 (libvirtd) is stopped: it was sent SIGSTOP
Thread 1 (Thread 0x7f (LWP 77) "libvirtd"):
#0  0x00007f0000001abc in poll () from /lib/libc.so.6
#1  0x00007f0000001abd in main () at remote_daemon.c:1
"""


SEGFAULTS = (
    "[  12.3] virtqemud[78]: segfault at 10 ip 00007f0a sp 00007ffc error 4 in x.so[7f00+5000]\n"
    "[  12.4] virtqemud[77]: segfault at 10 ip 00007f0a1c2d sp 00007ffc0000 error 4"
    " in libvirt.so.0.9000.0[7f0a1c00+5000] likely on CPU 1\n"
)


def ledger_of(folder: Path, *cases: tuple[str, str, str]) -> Path:
    """Failed cases: message, detail, verdict."""
    journal = Journal(folder / "ledger.jsonl")
    for number, (message, detail, verdict) in enumerate(cases):
        case = CaseResult(
            suite="s", name=f"c{number}", outcome=Outcome.FAILED, message=message, detail=detail,
            properties={"verdict": verdict} if verdict else {},
        )  # fmt: skip
        journal.append(Event(at=1.0, what="case", name=case.name, data=msgspec.Raw(to_json(case))))
    journal.close()
    return journal.path


def test_the_stacks_of_a_hang_become_evidence_under_their_process(tmp_path: Path) -> None:
    ledger = ledger_of(tmp_path, (HUNG, STACKS, ""), (HUNG, "no stack", ""), ("other", STACKS, ""))
    keep_stacks(ledger, tmp_path / "evidence")
    assert [path.name for path in (tmp_path / "evidence").iterdir()] == ["hang.77.txt"]
    (report,) = explain(tmp_path / "evidence", None, Deadline.after(60))
    assert report.signature == "libvirtd: SIGSTOP from outside"


def test_a_stop_without_stacks_is_told_by_the_word_alone(tmp_path: Path) -> None:
    said = f"{STACKS.splitlines()[0]}\nno backtrace of process 77: gdb: No such file or directory\n"
    keep_stacks(ledger_of(tmp_path, (HUNG, said, "")), tmp_path / "evidence")
    (report,) = explain(tmp_path / "evidence", None, Deadline.after(60))
    assert report.signature == "libvirtd: SIGSTOP from outside"
    assert report.files == ("hang.77.txt",)


def test_a_core_of_the_hanging_daemon_tells_more_than_its_stacks(tmp_path: Path) -> None:
    ledger = ledger_of(tmp_path, (HUNG, STACKS.partition("\n")[2], ""))
    (tmp_path / "evidence").mkdir()
    (tmp_path / "evidence" / "core.hang.libvirtd.77.gz").touch()
    keep_stacks(ledger, tmp_path / "evidence")
    assert len(list((tmp_path / "evidence").iterdir())) == 1


def test_a_core_of_a_daemon_that_was_stopped_does_not_hide_the_stop(tmp_path: Path) -> None:
    evidence = tmp_path / "evidence"
    evidence.mkdir()
    (evidence / "core.hang.libvirtd.77").write_bytes(b"\x7fELF" + bytes(12) + b"\x04\x00")
    keep_stacks(ledger_of(tmp_path, (HUNG, STACKS, "")), evidence)
    reports = explain(evidence, None, Deadline.after(60))
    assert [report.signature for report in reports] == ["libvirtd: SIGSTOP from outside"]


@pytest.mark.parametrize(
    ("cases", "missing", "said"),
    [
        ([("wrong answer", "", "")], "", ""),
        ([(LOST, "", "")], "", "died or hung once .* no core of it was found"),
        ([(LOST, "", ""), ("x", "", "crashed")], "core: limit is 0", "in 2 cases .* limit is 0"),
    ],
)
def test_a_death_that_nothing_tells_of_is_said_with_the_reason(
    tmp_path: Path, cases: list[tuple[str, str, str]], missing: str, said: str
) -> None:
    (tmp_path / "missing.txt").write_text(missing)
    found = nothing_found(ledger_of(tmp_path, *cases), tmp_path)
    assert re.search(said, found) if said else not found


def test_a_segfault_that_only_the_kernel_noted_is_told_of_the_process_that_died(
    tmp_path: Path,
) -> None:
    crashed = "virDomainCreate() crashed the daemon (process 77)"
    ledger = ledger_of(tmp_path, (crashed, "", "crashed"))
    evidence = tmp_path / "evidence"
    evidence.mkdir()
    (evidence / "dmesg.txt").write_text(SEGFAULTS)
    keep_segfaults(ledger, evidence)
    (report,) = explain(evidence, None, Deadline.after(60))
    assert report.signature == "virtqemud: SIGSEGV in unknown code of libvirt.so"
    assert report.files == ("segfault.77.txt",)


def test_what_the_kernel_noted_of_a_process_with_a_core_says_nothing_new(tmp_path: Path) -> None:
    ledger = ledger_of(tmp_path, ("crashed the daemon (process 77)", "", "crashed"))
    evidence = tmp_path / "evidence"
    evidence.mkdir()
    (evidence / "dmesg.txt").write_text(SEGFAULTS)
    (evidence / "core.virtqemud.77.gz").touch()
    keep_segfaults(ledger, evidence)
    assert not list(evidence.glob("segfault.*"))
