"""The matrix of what works where."""

from __future__ import annotations

from pathlib import Path

import msgspec

from ci.codec import to_json
from ci.journal import Event, Journal
from ci.model import CaseResult, Outcome
from suites.hypervisor.calls import CRASHED, HUNG, OK, Tallies, Tally
from suites.tck import parity, parity_page
from suites.tck.declared import declared, parse
from suites.tck.events import calls_file
from suites.tck.parity import Cell, Matrix, Status

DECLARED, UNDECLARED = "virDomainSuspend", "virDomainOpenConsole"  # by the test driver


def tally(function: str, outcome: int, arguments: str = "") -> Tally:
    return Tally(
        function=function, arguments=arguments, outcome=outcome, count=1, seconds=0.5, slowest=0.5
    )


def status(function: str, *outcomes: int) -> Status:
    calls = [tally(function, outcome) for outcome in outcomes]
    return parity.of_driver("test", calls)[function].status


def test_one_success_is_enough_to_work() -> None:
    assert status(DECLARED, 55, OK, 3) is Status.WORKS


def test_a_declared_call_that_never_succeeds_fails() -> None:
    assert status(DECLARED, 3) is Status.FAILS


def test_a_call_that_is_not_declared_is_unsupported() -> None:
    assert status(UNDECLARED, 3) is Status.UNSUPPORTED


def test_a_crash_outweighs_a_success() -> None:
    assert status(DECLARED, OK, CRASHED) is Status.CRASHES


def test_a_hang_outweighs_a_success() -> None:
    assert status(DECLARED, OK, HUNG) is Status.HANGS


def test_what_nobody_called_is_untested() -> None:
    assert parity.of_driver("test", [])[DECLARED].status is Status.UNTESTED


def test_coverage_counts_declared_calls_alone() -> None:
    cells = {
        "a": Cell(status=Status.WORKS, declared=True),
        "b": Cell(status=Status.UNTESTED, declared=True),
        "c": Cell(status=Status.UNSUPPORTED, declared=False),
    }
    assert parity.coverage(cells) == 0.5


def matrix(state: Status) -> Matrix:
    cell = Cell(status=state, declared=True, calls=0 if state is Status.UNTESTED else 1)
    return Matrix(drivers={"test": {"virX": cell}})


def test_a_call_that_works_no_more_is_lost() -> None:
    (change,) = parity.changes(matrix(Status.WORKS), matrix(Status.FAILS))
    assert change.lost


def test_a_call_that_works_now_is_news_and_no_loss() -> None:
    (change,) = parity.changes(matrix(Status.UNSUPPORTED), matrix(Status.WORKS))
    assert not change.lost


def test_a_call_that_nobody_made_this_time_is_not_lost() -> None:
    assert parity.changes(matrix(Status.WORKS), matrix(Status.UNTESTED)) == ()


def test_a_call_that_nobody_made_this_time_stays_known() -> None:
    known = parity.merged(matrix(Status.WORKS), matrix(Status.UNTESTED))
    assert known.drivers["test"]["virX"].status is Status.WORKS


def test_a_matrix_survives_its_file(tmp_path: Path) -> None:
    parity.save(tmp_path / "a" / "parity.json", matrix(Status.WORKS))
    assert parity.load(tmp_path / "a" / "parity.json") == matrix(Status.WORKS)


def ledger(folder: Path, *cases: CaseResult) -> Path:
    path = folder / "ledger.jsonl"
    for file, what, records in (
        (path, "case", cases),
        (calls_file(path), "calls", (Tallies(driver="test", calls=(tally(DECLARED, OK),)),)),
    ):
        journal = Journal(file)
        for record in records:
            journal.append(Event(at=0.0, what=what, data=msgspec.Raw(to_json(record))))
        journal.close()
    return path


def test_a_ledger_becomes_a_matrix(tmp_path: Path) -> None:
    cells = parity.from_ledgers([ledger(tmp_path)]).drivers["test"]
    assert cells[DECLARED].status is Status.WORKS


def test_a_call_that_killed_the_suite_is_known_from_its_case(tmp_path: Path) -> None:
    case = CaseResult(
        suite="tck",
        name="a/b",
        outcome=Outcome.FAILED,
        message="died",
        properties={"verdict": "crashed", "function": "virDomainReset"},
    )
    cells = parity.from_ledgers([ledger(tmp_path, case)]).drivers["test"]
    assert cells["virDomainReset"].status is Status.CRASHES


def test_the_page_escapes_and_names_what_was_lost() -> None:
    news = parity.changes(matrix(Status.WORKS), matrix(Status.CRASHES))
    page = parity_page.as_html(matrix(Status.CRASHES), news)
    assert "<li class='crashes'>test: virX works &rarr; crashes</li>" in page


def test_the_csv_has_a_line_for_each_call_and_driver() -> None:
    assert parity_page.as_csv(matrix(Status.WORKS)).splitlines()[1].startswith("virX,test,works,")


def test_the_declared_table_knows_three_drivers() -> None:
    assert DECLARED in declared("test") & declared("qemu") & declared("xen")
    assert UNDECLARED not in declared("test")


TABLE = """
<table class="top_table"><thead><tr><th>API</th><th>Version</th><th>libxl</th><th>qemu</th>
<th>test</th></tr></thead><tbody>
<tr><td><a href="x">virDomainNew</a></td><td>1.0.0</td><td/><td>1.2.0</td><td>1.1 - 2.0</td></tr>
<tr><th>API</th><th>Version</th><th>libxl</th><th>qemu</th><th>test</th></tr>
</tbody></table>
"""


def test_libvirts_own_table_is_understood() -> None:
    assert list(parse(TABLE)) == [("virDomainNew", {"test": False, "qemu": True, "xen": False})]
