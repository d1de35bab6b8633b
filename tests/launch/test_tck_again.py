"""The API suite as a step: cut behind its last case and resumed, it gives the verdicts it has."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.deadline import Deadline
from ci.launch.target import Target
from ci.launch.tck import TckSuite
from ci.run import Step
from ci.shell import LocalShell

pytestmark = pytest.mark.real


def test_a_suite_whose_every_case_is_in_the_ledger_ends_with_the_same_counts(
    tmp_path: Path,
) -> None:
    suite = TckSuite(areas=("connection",))
    target = Target(host="h", uri="test:///default", hypervisor="test")
    step = Step("suites/h/tck", LocalShell(), Deadline.after(120), tmp_path, tmp_path)
    first = suite.run(step, target)
    assert sum(first.counts.values()) > 10
    assert suite.run(step, target) == first
