"""JUnit files and Avocado's results become verdicts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ci.errors import InfraError
from ci.model import Outcome
from suites.external import avocado, junit

JUNIT = """
<testsuites><testsuite name="s">
<testcase classname="c" name="good" time="1.5"/>
<testcase classname="c" name="bad"><failure message="1 != 2">at line 7</failure></testcase>
<testcase classname="c" name="odd"><error>Boom\nmore</error></testcase>
<testcase name="not"><skipped message="no disk"/></testcase>
</testsuite></testsuites>
"""


def test_every_verdict_of_junit_is_read() -> None:
    found = {f.name: (f.outcome, f.message) for f in junit.parse(JUNIT, source="x.xml")}
    assert found == {
        "c/good": (Outcome.PASSED, ""),
        "c/bad": (Outcome.FAILED, "1 != 2"),
        "c/odd": (Outcome.BROKEN, "Boom"),
        "not": (Outcome.SKIPPED, "no disk"),
    }


def test_times_are_kept() -> None:
    assert junit.parse(JUNIT, source="x.xml")[0].seconds == 1.5


@pytest.mark.parametrize(
    "text", ["", "no xml", "<html/>", '<!DOCTYPE a [<!ENTITY b "c">]><testsuite>&b;</testsuite>']
)
def test_what_is_no_junit_is_one_sentence(text: str) -> None:
    with pytest.raises(InfraError, match=r"^x.xml is no JUnit file"):
        junit.parse(text, source="x.xml")


def results(**test: object) -> str:
    return json.dumps({"job_id": "1", "tests": [{"id": "1-a", "time": 2.0, "logdir": "x", **test}]})


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("PASS", Outcome.PASSED),
        ("WARN", Outcome.PASSED),
        ("FAIL", Outcome.FAILED),
        ("ERROR", Outcome.BROKEN),
        ("SKIP", Outcome.SKIPPED),
        ("CANCEL", Outcome.SKIPPED),
        ("INTERRUPTED", Outcome.BROKEN),
    ],
)
def test_every_status_of_avocado_is_a_verdict(status: str, outcome: Outcome) -> None:
    (finding,) = avocado.parse(results(status=status, fail_reason="why"), source="r")
    assert (finding.outcome, finding.seconds) == (outcome, 2.0)


def test_a_failure_of_avocado_gives_its_reason() -> None:
    (finding,) = avocado.parse(results(status="FAIL", fail_reason="no boot"), source="r")
    assert finding.message == "no boot"


def test_a_test_is_called_the_same_in_another_job() -> None:
    text = json.dumps(
        {
            "tests": [
                {"id": "1-a.py:A.test", "status": "PASS"},
                {"id": "2-b.py:B.test;run-x-1", "status": "PASS"},
                {"id": "3-c.py:C.test", "status": "PASS"},
                {"id": "4-c.py:C.test", "status": "PASS"},
            ]
        }
    )
    names = [finding.name for finding in avocado.parse(text, source="r")]
    assert names == ["a.py:A.test", "b.py:B.test;run-x-1", "3-c.py:C.test", "4-c.py:C.test"]


def test_the_time_is_read_as_today_s_avocado_writes_it() -> None:
    (finding,) = avocado.parse(
        json.dumps({"tests": [{"id": "1-a", "status": "PASS", "time_elapsed": 3.5}]}), source="r"
    )
    assert finding.seconds == 3.5


def test_a_failure_of_avocado_brings_the_end_of_its_log(tmp_path: Path) -> None:
    log = tmp_path / "debug.log"
    log.write_text("line\n" * 100 + "the last\n")
    (finding,) = avocado.parse(results(status="FAIL", logfile=str(log)), source="r")
    assert finding.detail.endswith("the last")
    assert len(finding.detail.splitlines()) == 40


def test_a_test_of_avocado_that_ran_out_of_time_has_failed() -> None:
    said = "Test interrupted: Timeout reached"
    (finding,) = avocado.parse(results(status="INTERRUPTED", fail_reason=said), source="r")
    assert (finding.outcome, finding.message) == (Outcome.FAILED, said)


def test_what_is_no_result_of_avocado_is_one_sentence() -> None:
    with pytest.raises(InfraError, match=r"^r is no results.json of Avocado"):
        avocado.parse("{}", source="r")
