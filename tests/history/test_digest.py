"""The digest of a week whose story is known."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ci.commands.when import days_ago
from ci.errors import UsageError
from ci.history.database import History
from ci.history.digest import Digest, digest, write
from ci.history.importer import Importer
from ci.model import CaseResult, Outcome
from tests.made_runs import DAY, START, case, iterations, make_run

FAILED, BROKEN, UNSUPPORTED = Outcome.FAILED, Outcome.BROKEN, Outcome.UNSUPPORTED


def week(history: History, folder: Path) -> Digest:
    """The day before, then a week in which one test broke, one was fixed, parity moved."""
    days: list[list[CaseResult]] = [
        [case("a/x"), case("a/y", FAILED), case("p/new", UNSUPPORTED), case("p/old"), case("a/l")],
        [case("a/x"), case("a/y"), case("p/new"), case("p/old"), case("a/l", BROKEN, "gone")],
        [case("a/x", FAILED, "<bad>"), case("a/y"), case("p/new"), case("p/old", UNSUPPORTED)],
    ]
    for n, cases in enumerate(days):
        suites = {"xen1/tck": cases, "xen1/stress": iterations(20, 0)}
        Importer(history).run(make_run(folder, f"run-{n}", suites, at=START + n * DAY))
    with history.reading() as connection:
        return digest(connection, START + DAY / 2, START + 3 * DAY)


def test_the_digest_tells_the_story_of_the_week(history: History, tmp_path: Path) -> None:
    found = week(history, tmp_path)
    assert [(str(c.test), c.point.run) for c in found.broke] == [("tck on xen1: a/x", "run-2")]
    assert [(c.test.name, c.point.run) for c in found.fixed] == [("a/y", "run-1")]
    # gained in run-1, and still there in run-2: the run that began it is named
    assert [(c.test.name, c.point.run) for c in found.gained] == [("p/new", "run-1")]
    assert [c.test.name for c in found.lost] == ["p/old"]
    assert [(f.failed, f.tried) for _, f in found.loops] == [(0, 40)]
    assert found.lab_runs == 1
    assert found.lab_seconds == pytest.approx(0.1)
    assert [(w.plan, w.runs, dict(w.outcomes)) for w in found.work] == [
        ("demo", 2, {"broken": 1, "failed": 1})
    ]


def test_every_form_says_the_same_and_html_is_escaped(tmp_path: Path) -> None:
    history = History(f"sqlite:///{tmp_path}/h.sqlite")
    found = week(history, tmp_path / "runs")
    history.close()
    for form in ("markdown", "text", "html"):
        text = write(found, form)
        for said in ("a/x since run-2", "a/y since run-1", "0 of 40 failed", "gained: tck"):
            assert said in text
    assert "<bad>" in write(found, "text")
    assert "<bad>" not in write(found, "html")


def test_a_week_without_runs_is_told_as_such(history: History) -> None:
    with history.reading() as connection:
        assert "Nothing ran." in write(digest(connection, START, START + DAY), "markdown")


def test_days_as_people_say_them() -> None:
    now = datetime(2026, 9, 24, 15, 30, tzinfo=UTC).timestamp()  # a Thursday

    def said(text: str) -> str:
        return datetime.fromtimestamp(days_ago(text, now), tz=UTC).strftime("%m-%d %H:%M")

    assert said("monday") == "09-21 00:00"
    assert said("Thursday") == "09-24 00:00"
    assert said("friday") == "09-18 00:00"
    assert said("7d") == "09-17 15:30"
    assert said("2w") == "09-10 15:30"
    assert said("2026-01-31") == "01-31 00:00"
    with pytest.raises(UsageError, match="no day"):
        days_ago("someday")
