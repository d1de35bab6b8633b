"""A real run killed with -9 again and again, resumed each time, ends like an uncut one."""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ci.model import Outcome
from ci.report.loading import load
from ci.report.results import RunResults, exit_code

REPOSITORY = Path(__file__).parent.parent.parent
LOCAL_PLAN = """
[[hosts]]
kind = "local"
uri = "test:///default"

[[suites]]
kind = "stress"
loops = 3000

[[suites]]
kind = "tck"
areas = ["connection", "lifecycle"]
"""


def virtci(*words: str) -> subprocess.Popen[bytes]:
    argv = (sys.executable, "-m", "ci", *words)
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=REPOSITORY)


def finished(process: subprocess.Popen[bytes], seconds: float) -> int:
    output, _ = process.communicate(timeout=seconds)
    sys.stdout.write(output.decode(errors="replace"))
    return process.returncode


def only_run(runs: Path) -> Path:
    (folder,) = runs.iterdir()
    return folder


def verdicts(results: RunResults) -> dict[str, dict[str, Outcome]]:
    return {
        f"{s.host}/{s.suite}": {case.name: case.outcome for case in s.cases} for s in results.suites
    }


def progress(runs: Path) -> int:
    """Bytes of all journals and ledgers: they grow with everything that is finished."""
    patterns = ("*/journal.jsonl", "*/suites/*/*/ledger.jsonl")
    return sum(path.stat().st_size for pattern in patterns for path in runs.glob(pattern))


def kill_and_resume(
    plan: str, runs: Path, *, kills: int, pause: tuple[float, float], limit: float
) -> RunResults:
    """Kill the run ``kills`` times, then let it end.

    Each time it has first come further than at the kill before, and then ``pause`` seconds more,
    so that the kills fall all over the job however slow the machine is.
    """
    moments = random.Random(7)
    words = ["run", plan, "--runs", str(runs)]
    seen = 0
    for _ in range(kills):
        process = virtci(*words)
        while process.poll() is None and progress(runs) <= seen + 500:
            time.sleep(0.05)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(moments.uniform(*pause))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        seen = progress(runs)
        words = ["run", "--runs", str(runs), "--resume", "last"]
    finished(virtci(*words), limit)
    return load(only_run(runs))


@pytest.mark.real
def test_a_local_run_killed_ten_times_loses_and_repeats_nothing(tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text(LOCAL_PLAN)
    finished(virtci("run", str(plan), "--runs", str(tmp_path / "uncut")), 300)
    uncut = load(only_run(tmp_path / "uncut"))
    cut = kill_and_resume(str(plan), tmp_path / "runs", kills=10, pause=(0.0, 0.6), limit=300)
    assert verdicts(cut) == verdicts(uncut)
    assert exit_code(cut) == exit_code(uncut)
    assert len(uncut.suites[0].cases) == 3000


@pytest.mark.xen
@pytest.mark.timeout(1500)
def test_the_whole_job_killed_ten_times_ends_as_it_should(tmp_path: Path) -> None:
    """Source, build, nested Xen host, deploy, loops, API: cut wherever it happens to be."""
    plan = tmp_path / "demo.toml"
    demo = (REPOSITORY / "plans" / "demo.toml").read_text()
    spec = REPOSITORY / "plans" / "libvirt" / "libvirt-minimal.spec"
    demo = demo.replace("libvirt/libvirt-minimal.spec", str(spec))
    plan.write_text(demo.replace('"connection", "lifecycle", "identity"', '"connection"'))
    results = kill_and_resume(str(plan), tmp_path / "runs", kills=10, pause=(0.0, 3.0), limit=900)
    assert exit_code(results) == 0
    assert results.finished
    (deployment,) = results.deployments
    assert all(module.build_id == module.expected for module in deployment.modules)
    suites = verdicts(results)
    assert [suites["xen1/stress"][f"iteration-{n:06}"] for n in (1, 2, 3)] == [Outcome.PASSED] * 3
    assert len(suites["xen1/stress"]) == 3
    assert len(suites["xen1/tck"]) > 15
