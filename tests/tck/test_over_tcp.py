"""The suite on a real connection that leaves the machine as far as libvirt can tell: TCP."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ci.codec import from_json
from ci.journal import read
from ci.model import CaseResult, Outcome
from suites.tck import argv
from tests.libvirtd import Libvirtd

pytestmark = pytest.mark.real

BAD = (Outcome.FAILED, Outcome.BROKEN)


def test_the_suite_runs_over_tcp(libvirtd: Libvirtd, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    command = argv("qemu+tcp://127.0.0.1/system", ledger, ("connection", "identity"))
    done = subprocess.run(
        libvirtd.enter(*command), capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = {e.name: from_json(e.data, CaseResult) for e in read(ledger) if e.what == "case"}
    assert not [case for case in found.values() if case.outcome in BAD]
    for case in ("it_says_whether_it_is_secure", "the_uri_leads_to_the_same_driver"):
        assert found[f"connection/{case}"].outcome is Outcome.PASSED
    # proof that the connection was the remote one
    assert found["connection/a_local_connection_is_secure"].outcome is Outcome.SKIPPED
