"""Results in other forms, there and back, and two of them side by side."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ci.errors import UsageError
from ci.model import Outcome
from ci.report import junit
from ci.report.compare import compare
from ci.report.convert import as_json, as_markdown
from ci.report.junit_read import read_junit
from ci.report.loading import load
from ci.report.page import page
from ci.report.results import exit_code
from ci.report.tallies import tallies
from ci.run import Failure
from tests.made_runs import DAY, START, case, iterations, make_run

MIXED = (
    case("a/x"),
    case("a/y", Outcome.FAILED, "wrong state"),
    case("b/z", Outcome.UNSUPPORTED, "no such call"),
    case("b/w", Outcome.BROKEN, "host gone"),
    case("c/s", Outcome.SKIPPED, "not asked for"),
)


def test_what_is_written_as_junit_reads_back_as_the_same_results(tmp_path: Path) -> None:
    failure = Failure(blame="product", message="does not build")
    folder = make_run(
        tmp_path,
        "1",
        {"xen1/tck": MIXED, "xen1/stress": iterations(3, 1)},
        failed_steps=[("build", failure)],
    )
    run = load(folder)
    junit.write(tmp_path / "junit.xml", run)
    back = read_junit(tmp_path / "junit.xml")
    assert {t.key: t.counts for t in tallies(back)} == {t.key: t.counts for t in tallies(run)}
    assert compare(run, back).broke == ()
    assert exit_code(back) == exit_code(run)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<html/>", "no JUnit file"),
        ("<testsuites>", "no XML"),
        (
            '<!DOCTYPE x [<!ENTITY a "aaaa">]><testsuites>&a;</testsuites>',
            "no XML that may be read",
        ),
    ],
)
def test_what_is_no_junit_is_refused_in_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "x.xml").write_text(text)
    with pytest.raises(UsageError, match=said):
        read_junit(tmp_path / "x.xml")


def test_a_failure_without_a_word_is_still_a_failure(tmp_path: Path) -> None:
    (tmp_path / "x.xml").write_text(
        '<testsuite name="s"><testcase name="t" time="x"><failure/></testcase></testsuite>'
    )
    (tally,) = tallies(read_junit(tmp_path / "x.xml"))
    assert (tally.worst, tally.message) == (Outcome.FAILED, "failure without a reason")


def test_a_comparison_tells_broken_from_fixed_from_known(tmp_path: Path) -> None:
    before = [case("x"), case("y", Outcome.FAILED), case("z", Outcome.FAILED), case("old")]
    now = [case("x", Outcome.FAILED, "new"), case("y"), case("z", Outcome.FAILED)]
    one = load(make_run(tmp_path, "1", {"xen1/tck": before}, revision="a"))
    two = load(make_run(tmp_path, "2", {"xen1/tck": now}, at=START + DAY, revision="b"))
    found = compare(one, two)
    assert [t.name for t in found.broke] == ["x"]
    assert [t.name for t in found.fixed] == ["y"]
    assert [t.name for t in found.still] == ["z"]
    assert found.gone == (("tck", "xen1", "old"),)
    assert ("source", "a", "b") in found.facts


def test_json_and_markdown_tell_the_same(tmp_path: Path) -> None:
    run = load(make_run(tmp_path, "1", {"xen1/tck": MIXED, "xen1/stress": iterations(5)}))
    data = json.loads(as_json(run))
    assert (data["outcome"], data["exit_code"]) == ("broken", 3)
    loops = [test for test in data["tests"] if test["suite"] == "stress"]
    assert [loop["counts"] for loop in loops] == [{"passed": 5}]
    text = as_markdown(run)
    assert text.startswith("# BROKEN: 1\n")
    assert "## PRODUCT: wrong state" in text
    assert "## LAB: host gone" in text


def test_a_ledger_with_repeated_cases_counts_the_last(tmp_path: Path) -> None:
    cases = [case("x", Outcome.BROKEN, "host gone"), case("y"), case("x")]
    (suite,) = load(make_run(tmp_path, "1", {"xen1/tck": cases})).suites
    assert suite.counts == {Outcome.PASSED: 2}
    assert [one.name for one in suite.cases] == ["y", "x"]
    assert (suite.cases[0].name, suite.cases[-1].name, len(suite.cases)) == ("y", "x", 2)
    assert suite.seconds == pytest.approx(0.2)


@pytest.mark.parametrize("time", ["nan", "inf", "1e999", "-5", "soon", ""])
def test_a_time_that_is_none_is_no_time(tmp_path: Path, time: str) -> None:
    path = tmp_path / "x.xml"
    path.write_text(f'<testsuite name="a"><testcase name="b" time="{time}"/></testsuite>')
    read = read_junit(path)
    assert read.suites[0].seconds == 0.0
    junit.write(tmp_path / "y.xml", read)
    assert 'time="0.000"' in (tmp_path / "y.xml").read_text()
    assert "0.00 s" in page(tmp_path, read)


def test_a_file_with_a_namespace_reads_as_one_without(tmp_path: Path) -> None:
    path = tmp_path / "x.xml"
    path.write_text(
        '<testsuites xmlns="urn:x"><testsuite name="a"><testcase name="b"><failure message="c"/>'
        "</testcase></testsuite></testsuites>"
    )
    (suite,) = read_junit(path).suites
    assert [(c.name, c.outcome, c.message) for c in suite.cases] == [("b", Outcome.FAILED, "c")]
