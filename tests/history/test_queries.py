"""Questions to the history, on made runs whose answers are known."""

from __future__ import annotations

from pathlib import Path

from ci.history.database import History
from ci.history.health import health
from ci.history.importer import Importer
from ci.history.queries import (
    find_signatures,
    find_tests,
    points,
    recent_runs,
    runs_with_package,
    with_signature,
)
from ci.history.rates import rates
from ci.history.regressions import regressions
from ci.history.speed import newly_slow, speeds
from ci.history.status import Status
from ci.model import Outcome
from tests.made_runs import DAY, START, case, commit, iterations, make_run

FAILED, BROKEN = Outcome.FAILED, Outcome.BROKEN


def fill(history: History, folder: Path, marks: str, **steps: list[float]) -> None:
    """One run a day; ``marks`` are the outcomes of a/x: ``.`` ``F`` ``!``."""
    outcome = {".": Outcome.PASSED, "F": FAILED, "!": BROKEN}
    importer = Importer(history)
    for n, mark in enumerate(marks):
        message = "" if mark == "." else f"wrong state {n}" if mark == "F" else "host gone"
        create = steps["create"][n] if steps else 0.5
        run = make_run(
            folder, f"run-{n:02}",
            {"xen1/tck": [case("a/x", outcome[mark], message), case("a/y")],
             "xen1/stress": iterations(4, int(mark == "F"), create=create)},
            at=START + n * DAY, revision=f"r{n}", commits=[commit(f"r{n}"), commit(f"r{n - 1}")],
        )  # fmt: skip
        importer.run(run)


def test_a_regression_names_first_bad_last_good_and_the_commits_between(
    history: History, tmp_path: Path
) -> None:
    fill(history, tmp_path, "..!.!FF")
    with history.reading() as connection:
        found = {str(one.test): one for one in regressions(connection)}
    one = found["tck on xen1: a/x"]
    assert one.status is Status.FAILING
    assert (one.first_bad.run, one.last_good and one.last_good.run) == ("run-05", "run-03")
    assert [c.id for c in one.suspects] == ["r5", "r4"]
    assert ("source", "r3", "r5") in one.changed
    assert one.bad_runs == 2
    assert set(found) == {"tck on xen1: a/x", "stress on xen1: iterations"}


def test_a_test_that_the_lab_broke_is_no_regression(history: History, tmp_path: Path) -> None:
    fill(history, tmp_path, "..!")
    with history.reading() as connection:
        assert regressions(connection) == []


def test_rates_add_up_over_runs_and_leave_the_lab_out(history: History, tmp_path: Path) -> None:
    fill(history, tmp_path, ".F!F")
    with history.reading() as connection:
        found = {str(one.test): one for one in rates(connection)}
        late = rates(connection, since=START + 3 * DAY, text="a/x")
    loop = found["stress on xen1: iterations"].finding
    assert (loop.failed, loop.tried) == (2, 18)
    one = found["tck on xen1: a/x"]
    assert (one.finding.failed, one.finding.tried, one.broken, one.runs) == (2, 3, 1, 4)
    assert [(r.finding.failed, r.finding.tried) for r in late] == [(1, 1)]


def test_search_finds_by_signature_test_host_and_package(history: History, tmp_path: Path) -> None:
    fill(history, tmp_path, ".FF")
    with history.reading() as connection:
        ((name, text, count, first, last),) = find_signatures(connection, "WRONG st")
        assert (text, count) == ("wrong state N", 2)
        assert (first, last) == (START + DAY, START + 2 * DAY)
        assert [t.name for t in with_signature(connection, name)] == ["a/x"]
        assert [t.name for t in find_tests(connection, text="a/X")] == ["a/x"]
        assert find_tests(connection, text="100%") == []
        assert {t.host for t in find_tests(connection, host="xen1")} == {"xen1"}
        assert [r.name for r in runs_with_package(connection, "1.gr1.x86")] == ["run-01"]
        assert [r.name for r in recent_runs(connection, limit=2)] == ["run-02", "run-01"]


def test_a_row_of_points_carries_the_revision_tuple(history: History, tmp_path: Path) -> None:
    fill(history, tmp_path, ".F")
    with history.reading() as connection:
        (test,) = find_tests(connection, text="a/x")
        one, two = points(connection, [test.id])[test.id]
    assert (one.good, two.bad) == (True, True)
    assert two.tested == ("r1", "libvirt-9.0.0-1.gr1.x86_64", "Xen 4.17", "6.1.0", "xen1")


def test_a_step_that_became_slow_is_named_with_the_run_it_began_in(
    history: History, tmp_path: Path
) -> None:
    fill(
        history, tmp_path, "." * 16, create=[0.5 + n % 3 / 100 + (n >= 9) * 0.4 for n in range(16)]
    )
    with history.reading() as connection:
        (one,) = newly_slow(speeds(connection))
    assert (one.suite, one.host, one.step, one.changed_in) == ("stress", "xen1", "create", "run-09")


def test_a_hosts_trouble_is_told_apart_from_the_products(history: History, tmp_path: Path) -> None:
    fill(history, tmp_path, ".F!.")
    with history.reading() as connection:
        (one,) = health(connection)
    assert (one.host, one.runs, one.troubled, one.last_reason) == ("xen1", 4, 1, "host gone")
    assert one.last_trouble == START + 2 * DAY
