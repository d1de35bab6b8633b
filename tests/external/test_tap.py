"""The Test Anything Protocol becomes verdicts."""

from __future__ import annotations

import pytest

from ci.model import Outcome
from suites.external.case import Finding
from suites.external.tap import parse


def outcomes(output: str, status: int = 0) -> dict[str, Outcome]:
    return {finding.name: finding.outcome for finding in parse("a.t", output, status)}


def only(output: str, status: int = 0) -> Finding:
    (finding,) = parse("a.t", output, status)
    return finding


def test_each_result_is_a_case() -> None:
    assert outcomes("1..2\nok 1 - first\nok 2 - second\n") == {
        "a.t/1 first": Outcome.PASSED,
        "a.t/2 second": Outcome.PASSED,
    }


def test_a_failure_brings_its_diagnostics() -> None:
    finding = only("1..1\nnot ok 1 - x\n#   Failed test 'x'\n# got 1\n", 1)
    assert finding.outcome is Outcome.FAILED
    assert finding.message == "Failed test 'x'"
    assert "got 1" in finding.detail


def test_a_skip_gives_its_reason() -> None:
    finding = only("1..1\nok 1 # SKIP no such device\n")
    assert (finding.outcome, finding.message) == (Outcome.SKIPPED, "no such device")


def test_a_skipped_script_is_one_skipped_case() -> None:
    finding = only("1..0 # SKIP nothing to do here\n")
    assert (finding.name, finding.outcome) == ("a.t", Outcome.SKIPPED)
    assert finding.message == "nothing to do here"


def test_work_to_be_done_is_no_failure() -> None:
    assert only("1..1\nnot ok 1 - x # TODO some day\n").outcome is Outcome.SKIPPED


def test_a_bail_out_is_broken() -> None:
    finding = only("1..9\nok 1\nBail out!  no connection\n", 255)
    assert finding.outcome is Outcome.BROKEN
    assert finding.message == "bailed out: no connection"


def test_too_few_results_fail() -> None:
    assert outcomes("1..3\nok 1 - x\n")["a.t"] is Outcome.FAILED


def test_a_script_without_a_plan_fails() -> None:
    assert outcomes("ok 1 - x\n")["a.t"] is Outcome.FAILED


def test_a_death_without_a_failed_result_fails_once() -> None:
    found = outcomes("1..1\nok 1 - x\n", 9)
    assert found == {"a.t/1 x": Outcome.PASSED, "a.t": Outcome.FAILED}


@pytest.mark.parametrize(
    ("said", "module"),
    [
        ("Can't locate XML/Writer.pm in @INC (you may need to install it) at x.t", "XML::Writer"),
        ("Can't locate YAML.pm in @INC (@INC contains: /etc/perl) at lib/TCK.pm line 26.", "YAML"),
        ("ModuleNotFoundError: No module named 'avocado.core'", "avocado.core"),
    ],
)
def test_a_module_that_is_not_installed_is_the_labs(said: str, module: str) -> None:
    (found,) = parse("x.t", f"1..4\n{said}\nBEGIN failed--compilation aborted\n", 2)
    assert found.outcome is Outcome.BROKEN
    assert found.message == f"this machine has no module {module}, which the script needs"


def test_a_script_that_ends_well_may_say_what_it_did_without() -> None:
    output = "# Can't locate Net/X.pm in @INC, going on without\n1..1\nok 1 - works\n"
    assert [finding.outcome for finding in parse("x.t", output, 0)] == [Outcome.PASSED]


def test_a_death_after_a_failed_result_is_told_once() -> None:
    assert outcomes("1..1\nnot ok 1 - x\n", 1) == {"a.t/1 x": Outcome.FAILED}


def test_a_call_that_the_driver_does_not_have_is_unsupported() -> None:
    why = "libvirt error code: 3, message: this function is not supported by the connection driver"
    finding = only(f"1..1\nnot ok 1 - x\n# {why}: virDomainSave\n", 1)
    assert finding.outcome is Outcome.UNSUPPORTED
    assert "virDomainSave" in finding.detail


def test_results_without_numbers_are_counted() -> None:
    assert list(outcomes("1..2\nok\nok\n")) == ["a.t/1", "a.t/2"]
