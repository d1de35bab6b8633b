"""Foreign programs as children: bounded, judged, resumed; the real libvirt-tck where it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import libvirt
import pytest

from ci.codec import from_json
from ci.errors import InfraError
from ci.journal import read
from ci.model import CaseResult, Outcome
from suites.external import argv, libvirt_tck
from tests.libvirtd import Libvirtd, libvirtd, start_libvirtd

pytestmark = pytest.mark.real  # processes, and seconds of waiting for them

__all__ = ["libvirtd"]
PRODUCER = f"{sys.executable} {Path(__file__).parent / 'producer.py'}"


def run(
    kind: str,
    ledger: Path,
    *programs: str,
    seconds: int = 5,
    uri: str = "",
    destination: str = "",
    **env: str,
) -> subprocess.CompletedProcess[str]:
    command = argv(
        kind, ledger, programs, name="foreign", uri=uri, destination=destination, host="h",
        seconds=seconds,
    )  # fmt: skip
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        env={**os.environ, **env},
    )


def cases(ledger: Path) -> dict[str, CaseResult]:
    found = [from_json(e.data, CaseResult) for e in read(ledger) if e.what == "case"]
    return {case.name: case for case in found}


def tap(tmp_path: Path, *words: str) -> dict[str, CaseResult]:
    ledger = tmp_path / "ledger.jsonl"
    programs = [f"{PRODUCER} {word}" for word in words]
    done = run("tap", ledger, *programs)
    assert done.returncode == 0, done.stderr
    return {name.removeprefix(f"{PRODUCER} "): case for name, case in cases(ledger).items()}


def test_every_result_of_a_program_is_a_case(tmp_path: Path) -> None:
    found = tap(tmp_path, "good", "bad")
    assert {name: case.outcome for name, case in found.items()} == {
        "good/1 connects": Outcome.PASSED,
        "good/2 creates": Outcome.PASSED,
        "bad/1 undefines": Outcome.FAILED,
    }
    assert {case.suite for case in found.values()} == {"foreign"}


def test_a_program_that_hangs_is_ended_and_the_rest_runs(tmp_path: Path) -> None:
    found = tap(tmp_path, "hang", "good")
    assert found["hang"].outcome is Outcome.FAILED
    assert "did not end within 5 s" in found["hang"].message
    assert found["good/1 connects"].outcome is Outcome.PASSED


def test_a_program_that_dies_has_failed(tmp_path: Path) -> None:
    assert tap(tmp_path, "die")["die"].outcome is Outcome.FAILED


def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    run("tap", ledger, "/virtci/none")
    assert cases(ledger)["/virtci/none"].outcome is not Outcome.PASSED


def test_a_finished_program_is_not_run_again(tmp_path: Path) -> None:
    tap(tmp_path, "good")
    before = (tmp_path / "ledger.jsonl").read_bytes()
    tap(tmp_path, "good")
    assert (tmp_path / "ledger.jsonl").read_bytes() == before


def test_a_junit_file_that_a_program_writes_is_read(tmp_path: Path) -> None:
    ready, result = tmp_path / "ready.xml", tmp_path / "out.xml"
    ready.write_text("<testsuite><testcase classname='a' name='b'/></testsuite>")
    ledger = tmp_path / "ledger.jsonl"
    run("junit", ledger, f"cp {ready} {result} => {result}")
    assert cases(ledger)["a/b"].outcome is Outcome.PASSED


def test_results_that_a_program_did_not_write_are_broken(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    run("avocado", ledger, f"true => {tmp_path}/none.json")
    (case,) = cases(ledger).values()
    assert case.outcome is Outcome.BROKEN
    assert "gave no result" in case.message


def test_results_of_avocado_are_read(tmp_path: Path) -> None:
    ready, result = tmp_path / "ready.json", tmp_path / "results.json"
    test = {"id": "1-x", "status": "PASS", "time_elapsed": 1.0}
    ready.write_text(json.dumps({"tests": [test]}))
    ledger = tmp_path / "ledger.jsonl"
    run("avocado", ledger, f"cp {ready} {result} => {result}")
    case = cases(ledger)["x"]
    assert (case.outcome, case.seconds) == (Outcome.PASSED, 1.0)


def test_results_of_an_earlier_run_are_not_those_of_this_one(tmp_path: Path) -> None:
    result = tmp_path / "results.json"
    result.write_text(json.dumps({"tests": [{"id": "1-x", "status": "PASS"}]}))
    ledger = tmp_path / "ledger.jsonl"
    run("avocado", ledger, f"true => {result}")
    (case,) = cases(ledger).values()
    assert case.outcome is Outcome.BROKEN
    assert "gave no result" in case.message


def test_without_libvirt_tck_one_sentence_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(libvirt_tck, "INSTALLED", tmp_path)
    monkeypatch.delenv(libvirt_tck.VARIABLE, raising=False)
    with pytest.raises(InfraError, match="neither installed nor checked out") as error:
        libvirt_tck.find()
    assert libvirt_tck.VARIABLE in error.value.hint


def a_checkout(folder: Path) -> Path:
    """A stand-in for libvirt-tck: one script that prints TAP, in its layout."""
    (folder / "scripts" / "domain").mkdir(parents=True)
    (folder / "lib").mkdir()
    script = (
        'print "1..1\\n"; print -r $ENV{LIBVIRT_TCK_CONFIG} ? "ok 1 - config\\n" : "not ok 1\\n";'
    )
    (folder / "scripts" / "domain" / "010-config.t").write_text(script)
    return folder


@pytest.mark.real
def test_libvirt_tck_gets_its_configuration_and_is_judged(
    libvirtd: Libvirtd, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    real = os.environ.get(libvirt_tck.VARIABLE)
    record_property("libvirt-tck", real or "a stand-in of ours")
    checkout = Path(real) if real else a_checkout(tmp_path / "checkout")
    script = "domain/050-transient-lifecycle.t" if real else "domain/010-config.t"
    ledger = tmp_path / "ledger.jsonl"
    variables = {libvirt_tck.VARIABLE: str(checkout)}
    done = run("libvirt-tck", ledger, script, uri=libvirtd.uri, seconds=120, **variables)
    assert done.returncode == 0, done.stderr
    found = cases(ledger)
    assert found
    assert all(case.outcome is not Outcome.BROKEN for case in found.values()), found


LEAVES_A_NETWORK = """\
#!/bin/sh
other=$(sed -n 's/^otheruri: "\\(.*\\)"/\\1/p' "$LIBVIRT_TCK_CONFIG")
echo "<network><name>$NAME</name></network>" > "$LIBVIRT_TCK_CONFIG.xml"
echo 1..1
virsh -c "$other" net-define "$LIBVIRT_TCK_CONFIG.xml" >/dev/null || echo -n "not "
echo "ok 1 - the second host takes a network"
"""


@pytest.mark.parametrize(("name", "left"), [("tck", []), ("foreign", ["foreign"])])
def test_what_libvirt_tck_leaves_on_a_second_host_is_swept(
    libvirtd: Libvirtd, tmp_path: Path, name: str, left: list[str]
) -> None:
    checkout = a_checkout(tmp_path / "checkout")
    (checkout / "scripts" / "leaves.t").write_text(LEAVES_A_NETWORK)
    uri, ledger = libvirtd.uri, tmp_path / "ledger.jsonl"
    env = {libvirt_tck.VARIABLE: str(checkout), "NAME": name}
    with start_libvirtd() as second:
        there = second.uri
        run("libvirt-tck", ledger, "leaves.t", uri=uri, destination=there, seconds=60, **env)
        (case,) = cases(ledger).values()
        assert case.outcome is Outcome.PASSED, case.message
        networks = libvirt.open(there).listDefinedNetworks()
        assert [one for one in networks if one != "default"] == left
