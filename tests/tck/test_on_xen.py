"""The suite on a real Xen hypervisor over SSH."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ci.codec import from_json
from ci.journal import read
from ci.model import Access, CaseResult, Outcome
from suites.tck import argv
from tests.nested_host import xen_host

__all__ = ["xen_host"]
pytestmark = pytest.mark.xen
SECONDS = 1200
GOOD = (Outcome.PASSED, Outcome.UNSUPPORTED, Outcome.SKIPPED, Outcome.WAIVED)


def test_xen_guests_keep_their_names(xen_host: Access, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    command = argv(xen_host.uri, ledger, ("identity",), patience=3.0)
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=SECONDS, check=False, cwd="/"
    )
    cases = [from_json(event.data, CaseResult) for event in read(ledger) if event.what == "case"]
    wrong = [case for case in cases if case.outcome not in GOOD]
    assert not wrong, done.stdout[-4000:]
    assert sum(case.outcome is Outcome.PASSED for case in cases) > 15
