"""The suite as a program: verdicts, resuming, surviving, leaving no trace."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
from pathlib import Path

import libvirt
import pytest

from ci.codec import from_json
from ci.journal import read
from ci.model import CaseResult, Outcome
from suites.tck import AREAS, argv
from tests.libvirtd import Libvirtd

pytestmark = pytest.mark.real
TEST = "test:///default"
PROBE = """
import libvirt, os, pytest, signal, time
from suites.hypervisor.method import Method
from suites.tck.verdict import refused

def test_passes(connection):
    assert connection.isAlive()

def test_fails(connection):
    assert connection.getHostname() == "another"

def test_is_unsupported(connection):
    connection.getDomainCapabilities(None, None, None, None, 0)

def test_is_skipped():
    pytest.skip("not today")

@pytest.fixture
def broken(connection):
    connection.lookupByName("virtci-none")

def test_is_broken(broken):
    pass

def test_dies(connection):
    connection.getHostname()
    os.kill(os.getpid(), signal.SIGSEGV)

def test_after_the_death(connection):
    assert connection.isAlive()

def test_never_returns(connection):
    done = lambda *_: time.sleep(600)
    connection.session.call(Method("virSleep", (), 0.1), done, ())

def test_after_the_hang(connection):
    assert connection.isAlive()

def test_leaves_something(connection, domain_xml):
    connection.defineXML(str(domain_xml))
    connection.createXML(str(domain_xml), 0)
    assert False, "on purpose"
"""


def run(command: tuple[str, ...], **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **environment}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=240, env=env, cwd="/", check=False
    )


def cases(ledger: Path) -> dict[str, CaseResult]:
    events = [event for event in read(ledger) if event.what == "case"]
    return {event.name: from_json(event.data, CaseResult) for event in events}


def probe_by(folder: Path, *, workers: int) -> dict[str, CaseResult]:
    """One test of each kind, run by the suite's own machinery."""
    (folder / "test_probe.py").write_text(PROBE)
    (folder / "conftest.py").write_text("from suites.tck.conftest import *\n")
    ledger = folder / "ledger.jsonl"
    command = argv(TEST, ledger, workers=workers)
    done = run((*command[:6], str(folder), *command[command.index("--connect") :]))
    assert done.returncode == 1, done.stdout + done.stderr
    return {name.removeprefix("probe/"): case for name, case in cases(ledger).items()}


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, CaseResult]:
    """All of them, one after the other."""
    return probe_by(tmp_path_factory.mktemp("probe"), workers=1)


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("passes", Outcome.PASSED),
        ("fails", Outcome.FAILED),
        ("is_unsupported", Outcome.UNSUPPORTED),
        ("is_skipped", Outcome.SKIPPED),
        ("is_broken", Outcome.BROKEN),
        ("dies", Outcome.FAILED),
        ("after_the_death", Outcome.PASSED),
        ("never_returns", Outcome.FAILED),
        ("after_the_hang", Outcome.PASSED),
        ("leaves_something", Outcome.FAILED),
    ],
)
def test_every_verdict_is_told(probed: dict[str, CaseResult], name: str, outcome: Outcome) -> None:
    assert probed[name].outcome is outcome, probed[name]


def test_an_unsupported_call_is_named(probed: dict[str, CaseResult]) -> None:
    assert probed["is_unsupported"].message.startswith("virConnectGetDomainCapabilities: ")


def test_a_death_names_the_last_call(probed: dict[str, CaseResult]) -> None:
    assert probed["dies"].properties == {"verdict": "crashed", "function": "virConnectGetHostname"}


def test_a_call_that_nothing_can_end_is_named(probed: dict[str, CaseResult]) -> None:
    assert probed["never_returns"].properties == {"verdict": "hung", "function": "virSleep"}


@pytest.fixture(scope="module")
def worked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, CaseResult]:
    """The same cases by two workers."""
    return probe_by(tmp_path_factory.mktemp("worked"), workers=2)


def test_workers_come_to_the_same_verdicts(
    probed: dict[str, CaseResult], worked: dict[str, CaseResult]
) -> None:
    assert {name: case.outcome for name, case in worked.items()} == {
        name: case.outcome for name, case in probed.items()
    }


def test_a_worker_that_dies_names_the_last_call(worked: dict[str, CaseResult]) -> None:
    assert worked["dies"].properties == {"verdict": "crashed", "function": "virConnectGetHostname"}
    assert worked["dies"].message.startswith("virConnectGetHostname killed the process")


def test_a_worker_that_gets_stuck_names_the_call(worked: dict[str, CaseResult]) -> None:
    assert worked["never_returns"].properties == {"verdict": "hung", "function": "virSleep"}


def test_a_skip_gives_its_reason(probed: dict[str, CaseResult]) -> None:
    assert probed["is_skipped"].message == "not today"


def test_a_uri_is_needed() -> None:
    command = tuple(word for word in argv(TEST, Path("x")) if word not in ("--connect", TEST))
    done = run(command)
    assert done.returncode == 4
    assert "--connect URI is needed" in done.stderr


def test_a_connection_that_cannot_be_had_is_one_sentence(tmp_path: Path) -> None:
    done = run(argv("qemu+unix:///system?socket=/virtci/none", tmp_path / "ledger.jsonl"))
    assert done.returncode == 4
    assert "cannot connect to qemu+unix:///system?socket=/virtci/none: " in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


@pytest.mark.parametrize("workers", [1, 2])
def test_a_finished_case_is_not_run_again(tmp_path: Path, workers: int) -> None:
    ledger = tmp_path / "ledger.jsonl"
    run(argv(TEST, ledger, ("errors",), workers=workers))
    lines = ledger.read_text().splitlines(keepends=True)
    ledger.write_text("".join(lines[:-3]))
    done = run(argv(TEST, ledger, ("errors",), workers=workers))
    assert f"{len(lines) - 3} deselected" in done.stdout or workers > 1
    again = ledger.read_text().splitlines(keepends=True)
    assert again[:-3] == lines[:-3], "cases that were done ran again"
    assert set(cases(ledger)) == {json.loads(line)["name"] for line in lines}
    assert len(again) == len(lines)


def test_the_cases_are_compiled_once_where_byte_code_may_not_lie_beside_them(
    tmp_path: Path,
) -> None:
    command = argv(TEST, tmp_path / "ledger.jsonl", ("errors",))
    run(command, PYTHONDONTWRITEBYTECODE="1", XDG_CACHE_HOME=str(tmp_path))
    assert list((tmp_path / "virtci/tck/bytecode").rglob("test_errors*.pyc"))


def test_what_is_known_is_an_expected_failure_to_pytest_too(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    done = run(argv(TEST, ledger, ("vcpus",)))
    assert done.returncode == 0, done.stdout
    assert "xfailed" in done.stdout
    assert cases(ledger)["vcpus/a_pinning_to_nothing_is_refused"].outcome is Outcome.WAIVED


def test_the_areas_are_the_files() -> None:
    assert {"connection", "lifecycle", "memory", "storage"} <= set(AREAS)


def test_nothing_of_ours_is_left_and_nothing_else_touched(
    libvirtd: Libvirtd, tmp_path: Path
) -> None:
    connection = libvirt.open(libvirtd.uri)
    foreign = connection.networkDefineXML("<network><name>foreign</name></network>")
    ours = connection.networkDefineXML("<network><name>virtci-tck-old</name></network>")
    done = run(argv(libvirtd.uri, tmp_path / "ledger.jsonl", ("network", "secret", "nwfilter")))
    names = set(connection.listDefinedNetworks()) | set(connection.listNetworks())
    assert "foreign" in names, done.stdout
    assert not [name for name in names if name.startswith("virtci-tck-")], ours
    assert not connection.listSecrets()
    assert not [name for name in connection.listNWFilters() if name.startswith("virtci-tck-")]
    foreign.undefine()
    connection.close()


def test_a_killed_suite_leaves_no_child_behind(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    suite = subprocess.Popen(argv(TEST, ledger), stdout=subprocess.DEVNULL)
    while not ledger.exists() or not ledger.stat().st_size:
        assert suite.poll() is None
    children = Path(f"/proc/{suite.pid}/task/{suite.pid}/children").read_text().split()
    suite.send_signal(signal.SIGKILL)
    suite.wait()
    for child in children:
        assert _ends(int(child))


def _ends(pid: int) -> bool:
    pidfd = os.pidfd_open(pid)
    try:
        return bool(select.select([pidfd], [], [], 20)[0])
    finally:
        os.close(pidfd)
