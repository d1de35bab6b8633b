"""A crash becomes a bundle that trips it elsewhere."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ci.crash.attribution import blame
from ci.crash.bundle import make_bundle, shortest
from ci.errors import UsageError
from tests.crash.ledgers import write_ledger
from tests.crash.test_attribution import ABORTED
from tests.libvirtd import start_libvirtd

DOMAIN = (
    "<domain type='test'><name>virtci-stress-0</name><memory>8192</memory>"
    "<os><type>hvm</type></os></domain>"
)


def ledger_with(folder: Path, deaths: dict[int, str]) -> Path:
    return write_ledger(folder, iterations=40, deaths=deaths, message=ABORTED)


def test_the_sequence_ends_where_the_daemon_died_and_has_its_rate(tmp_path: Path) -> None:
    ledger = ledger_with(tmp_path, {5: "reboot", 20: "reboot"})
    found = shortest(ledger, blame(ledger))
    assert found.ops == ("create", "alive", "reboot")
    assert (found.tripped, found.played) == (2, 40)


def test_deaths_in_different_operations_keep_the_shortest_iteration(tmp_path: Path) -> None:
    ledger = ledger_with(tmp_path, {5: "shutdown", 20: "reboot"})
    assert shortest(ledger, blame(ledger)).ops == ("create", "alive", "reboot")


def test_the_bundle_says_rate_packages_and_what_happened(tmp_path: Path) -> None:
    ledger = ledger_with(tmp_path, {5: "reboot"})
    facts = make_bundle(
        tmp_path / "bundle", ledger, domain=DOMAIN, packages=("libvirt-9.0.0-1.x86_64",)
    )
    text = (tmp_path / "bundle" / "report.md").read_text()
    assert "died in 1 of 40 loops of `create -> alive -> reboot`" in text
    assert "libvirt-9.0.0-1.x86_64" in text
    assert "iteration 5: during createXML in reboot" in text
    assert facts.loops > 100
    kept = json.loads((tmp_path / "bundle" / "reproduce.json").read_text())
    assert kept["seed"] == 7


def test_a_ledger_without_a_death_gives_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="shows no death"):
        make_bundle(tmp_path / "b", ledger_with(tmp_path, {}), domain=DOMAIN)


def run_bundle(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    argv = (sys.executable, "-I", str(folder / "reproduce.py"), *arguments)
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    make_bundle(folder, ledger_with(tmp_path, {5: "shutdown"}), domain=DOMAIN)
    facts = json.loads((folder / "reproduce.json").read_text())
    facts["alive_seconds"] = 0.01
    (folder / "reproduce.json").write_text(json.dumps(facts))
    return folder


@pytest.mark.real
def test_the_script_alone_runs_where_nothing_breaks(bundle: Path) -> None:
    process = run_bundle(bundle, "--loops", "20")
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert out.startswith("not tripped in 20 loops of create alive reboot alive shutdown")


@pytest.mark.real
def test_the_script_alone_notices_the_death_of_a_real_daemon(bundle: Path) -> None:
    with start_libvirtd() as daemon:
        uri = daemon.uri_of("test", "/default")
        process = run_bundle(bundle, "--connect", uri, "--loops", "100000")
        try:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(timeout=3)
            daemon_pid = daemon.pid
            subprocess.run(("kill", "-SEGV", str(daemon_pid)), check=True)
            out, _ = process.communicate(timeout=60)
        finally:
            process.kill()
            process.wait()
    assert process.returncode == 1, out
    assert "tripped in loop" in out
