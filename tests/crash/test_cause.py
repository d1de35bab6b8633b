"""Which crash a failed case died of, and what of the evidence is older than its suite."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ci.codec import to_json
from ci.crash import CrashReport, explain
from ci.crash.cause import Cause, cause_of
from ci.crash.since import MARK, newer, read_mark
from ci.crash.told import told
from ci.crash.trace import Trace
from ci.deadline import Deadline
from ci.deploy.evidence import MARK as WRITTEN_MARK
from ci.deploy.evidence import parse_mark
from ci.model import CaseResult, Mark, Outcome
from tests.crash.samples import DATA
from tests.crash.test_console import XEN_ASSERT

LOST = "domain_start: End of file while reading data: Input/output error"
HUNG = "domain_create did not return within 60 s and was ended from outside"


def failed(message: str, detail: str = "", **properties: str) -> CaseResult:
    return CaseResult(
        suite="s", name="c", outcome=Outcome.FAILED, message=message, detail=detail,
        properties=properties,
    )  # fmt: skip


def crash(signature: str, *files: str) -> CrashReport:
    return CrashReport(signature=signature, told=told(Trace()), files=files)


def test_the_process_tells_which_of_several_crashes_it_was() -> None:
    reports = [crash("a", "var-crash/core.rpc.17.gz"), crash("b", "var-crash/core.rpc.29.gz")]
    case = failed(f"{LOST} (the daemon was process 29, now it is process 40)")
    assert cause_of(case, reports) == Cause("b", ("var-crash/core.rpc.29.gz",))


@pytest.mark.parametrize(
    "message",
    [
        LOST,  # nobody knows which of the two
        f"{LOST} (the daemon was process 77, now it is process 80)",  # neither
        "the guest did not boot within 180 s",  # the daemon lived
    ],
)
def test_no_crash_is_blamed_that_nothing_speaks_for(message: str) -> None:
    reports = [crash("a", "core.rpc.17"), crash("b", "core.rpc.29")]
    assert cause_of(failed(message), reports) is None


def test_the_only_crash_explains_a_death_but_no_hang() -> None:
    reports = [crash("libvirtd: SIGSEGV in x", "journal.txt")]
    assert cause_of(failed(LOST), reports) == Cause("libvirtd: SIGSEGV in x", ("journal.txt",))
    assert cause_of(failed(HUNG), reports) is None


def test_a_death_that_a_suite_found_itself_is_blamed_on_its_process() -> None:
    case = failed("virDomainDestroy crashed the daemon (process 29 4711)", verdict="crashed")
    reports = [crash("a", "core.rpc.17"), crash("b", "core.rpc.29")]
    assert cause_of(case, reports) == Cause("b", ("core.rpc.29",))


def test_a_hang_has_the_name_of_the_backtrace_that_was_taken_then() -> None:
    text = (DATA / "builds" / "deadlock-O2.txt").read_text()
    found = cause_of(failed(HUNG, text), [crash("libvirtd: SIGSEGV in x", "journal.txt")])
    assert found is not None
    assert ": hang of " in found.signature


def test_a_slow_leak_has_a_name() -> None:
    case = failed("the daemon leaks file descriptors: +100.0 per 100 iterations (p = 1e-09)")
    assert cause_of(case, ()) == Cause("libvirtd: leak of file descriptors")


def test_what_was_there_before_the_suite_is_not_blamed_on_it(tmp_path: Path) -> None:
    journal = (DATA / "shapes" / "journal.txt").read_text()
    (tmp_path / "journal.txt").write_text(journal + "Nov 25 12:00:00 host sshd[1]: last of old\n")
    (tmp_path / "xl-dmesg.txt").write_text("(XEN) booted\n" + XEN_ASSERT)
    mark = Mark(
        boot_id="b",
        last={
            "journal.txt": "Nov 25 12:00:00 host sshd[1]: last of old",
            "xl-dmesg.txt": "(XEN) booted",
        },
    )
    (tmp_path / MARK).write_bytes(to_json(mark))
    found = [report.signature for report in explain(tmp_path, None, Deadline.after(60))]
    assert found == ["xen: assert spin_is_locked(&d->event_lock) in evtchn_close"]


def test_an_old_core_is_old_under_the_name_that_packing_gave_it(tmp_path: Path) -> None:
    (tmp_path / "core.libvirtd.7.gz").write_bytes(b"\x1f\x8b damaged")
    assert len(explain(tmp_path, None, Deadline.after(60))) == 1
    (tmp_path / MARK).write_bytes(to_json(Mark(boot_id="b", cores=("core.libvirtd.7",))))
    assert explain(tmp_path, None, Deadline.after(60)) == ()


def test_a_log_is_read_from_its_mark_on_and_whole_when_it_was_turned_over(tmp_path: Path) -> None:
    log = tmp_path / "var-log-libvirt" / "libvirtd.log"
    log.parent.mkdir()
    log.write_text("old\nnew\n")
    mark = Mark(boot_id="b", sizes={"/var/log/libvirt/libvirtd.log": 4})
    assert newer(log, tmp_path, mark) == "new\n"
    log.write_text("n\n")
    assert newer(log, tmp_path, mark) == "n\n"


def test_a_mark_is_read_as_it_was_told_whatever_names_there_are(tmp_path: Path) -> None:
    told_by_host = (
        "core\tcore.rpc.17\t\nsize\t/var/log/xen/a b.log\t12\nlast\tdmesg.txt\t[1] a\tb\n"
        "last\txl-dmesg.txt\t\nnoise\n"
    )
    mark = parse_mark("b", told_by_host)
    assert mark == Mark(
        boot_id="b",
        cores=("core.rpc.17",),
        sizes={"/var/log/xen/a b.log": 12},
        last={"dmesg.txt": "[1] a\tb"},
    )
    assert MARK == WRITTEN_MARK
    (tmp_path / MARK).write_bytes(b"{torn")
    assert read_mark(tmp_path) is None


def test_a_folder_without_a_mark_is_read_whole(tmp_path: Path) -> None:
    shutil.copy(DATA / "shapes" / "journal.txt", tmp_path / "journal.txt")
    assert len(explain(tmp_path, None, Deadline.after(60))) == 1
