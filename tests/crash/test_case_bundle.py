"""A conformance case that a daemon did not survive becomes a script of its calls."""

from __future__ import annotations

from pathlib import Path

import msgspec

from ci.codec import to_json
from ci.crash.case_bundle import command, make_case_bundle, script
from ci.crash.explain import CrashReport
from ci.crash.told import told
from ci.crash.trace import Trace
from ci.journal import Event, Journal
from ci.model import CaseResult, Outcome
from suites.hypervisor.calls import CRASHED, OK, Tallies
from suites.hypervisor.trail import Made

CASE = "power/a_domain_is_reset"
MADE = (
    Made(line="domain = connection.defineXML('<domain a = \\'b\\'/>')", function="f", outcome=OK),
    Made(line="found = domain.snapshotLookupByName('x = y', 0)", function="f", outcome=72),
    Made(line="", function="virStreamSendAll", outcome=OK),
    Made(line="domain.reset(0)", function="virDomainReset", outcome=CRASHED),
)
TALLIES = Tallies(driver="test", calls=(), made=MADE, uri="test:///default")
REPORT = CrashReport(signature="libvirtd: SIGSEGV in f", told=told(Trace()), files=())


def ledger_of(folder: Path, tallies: Tallies | None) -> tuple[Path, CaseResult]:
    case = CaseResult(suite="tck", name=CASE, outcome=Outcome.FAILED, message="it died")
    if tallies is not None:
        journal = Journal(folder / "ledger.calls.jsonl")
        data = msgspec.Raw(to_json(tallies))
        journal.append(Event(at=1.0, what="calls", name=CASE, data=data))
        journal.close()
    return folder / "ledger.jsonl", case


def test_the_script_ends_with_the_call_that_the_daemon_did_not_survive() -> None:
    text = script(CASE, TALLIES)
    compile(text, "reproduce.py", "exec")
    lines = [line.strip() for line in text.partition("def calls(connection):\n")[2].splitlines()]
    assert lines[:5] == [
        MADE[0].line,
        "found = refused(lambda: domain.snapshotLookupByName('x = y', 0), 72)",
        "# virStreamSendAll: its arguments cannot be written down",
        "domain.reset(0)  # the daemon died here",
        "return",
    ]


def test_a_bundle_has_the_script_and_the_command_that_runs_the_case(tmp_path: Path) -> None:
    make_case_bundle(tmp_path / "b", *ledger_of(tmp_path, TALLIES), REPORT, ("libvirt-9-1",))
    assert "'test:///default'" in (tmp_path / "b" / "reproduce.py").read_text()
    page = (tmp_path / "b" / "report.md").read_text()
    assert "# libvirtd: SIGSEGV in f" in page
    assert f"virtci tck test:///default {CASE}" in page
    assert "- libvirt-9-1" in page


def test_a_daemon_that_was_dead_before_the_first_call_is_laid_on_the_case_before(
    tmp_path: Path,
) -> None:
    told = msgspec.structs.replace(TALLIES, before="power/it_is_shut_off")
    make_case_bundle(tmp_path / "b", *ledger_of(tmp_path, told), REPORT, ())
    assert "The calls of power/it_is_shut_off" in (tmp_path / "b" / "reproduce.py").read_text()
    page = (tmp_path / "b" / "report.md").read_text()
    assert "## Calls of power/it_is_shut_off, behind which the daemon was dead" in page
    assert "virtci tck test:///default power/it_is_shut_off" in page


def test_without_the_calls_there_is_still_the_command(tmp_path: Path) -> None:
    make_case_bundle(tmp_path / "b", *ledger_of(tmp_path, None), REPORT, ())
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["report.md"]
    assert command("a/b[x]", "") == "virtci tck URI 'a/b[x]'"
