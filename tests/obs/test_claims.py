"""Each build is claimed once, whoever hears of it; a dead watcher's claim goes to the next."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ci.errors import InfraError
from ci.obs.claims import Claim, Claims
from ci.obs.notices import Notice
from ci.obs.rules import Rule, RunPlan, claim_id

RULE = Rule(project="*", start=RunPlan(plan="x.toml"))


def claim(bcnt: str = "1") -> Claim:
    notice = Notice(
        kind="package.build_success",
        project="p",
        package="hello",
        repository="deb12",
        arch="x86_64",
        versrel="1.0-1",
        bcnt=bcnt,
    )
    return Claim(id=claim_id(RULE, notice), rule=RULE, notice=notice)


def test_the_second_to_hear_of_a_build_gets_nothing(tmp_path: Path) -> None:
    assert Claims(tmp_path).add(claim())
    assert not Claims(tmp_path).add(claim())


def test_another_build_of_the_same_sources_is_another_claim(tmp_path: Path) -> None:
    claims = Claims(tmp_path)
    assert claims.add(claim("1"))
    assert claims.add(claim("2"))


def test_of_many_at_once_one_wins(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        won = list(pool.map(lambda _: Claims(tmp_path).add(claim()), range(64)))
    assert won.count(True) == 1


def test_what_is_done_is_never_open_again(tmp_path: Path) -> None:
    claims = Claims(tmp_path)
    claims.add(claim())
    with claims.working_on(claim()) as held:
        assert held
        claims.finish(claim(), "run 1")
    assert claims.open() == []
    assert not claims.add(claim())
    with claims.working_on(claim()) as held:
        assert not held


def test_only_one_works_on_a_claim(tmp_path: Path) -> None:
    claims = Claims(tmp_path)
    claims.add(claim())
    with claims.working_on(claim()) as first, Claims(tmp_path).working_on(claim()) as second:
        assert first
        assert not second


def test_the_claim_of_a_killed_watcher_is_taken_over(tmp_path: Path) -> None:
    Claims(tmp_path).add(claim())
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom ci.obs.claims import Claims\n"
        "claims = Claims(Path(sys.argv[1]))\n"
        "with claims.working_on(claims.open()[0]) as held:\n"
        "    print(held, flush=True)\n    time.sleep(60)\n"
    )
    argv = (sys.executable, "-c", code, str(tmp_path))
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        with Claims(tmp_path).working_on(claim()) as held:
            assert not held
        os.kill(other.pid, signal.SIGKILL)
        other.wait(10)
    with Claims(tmp_path).working_on(claim()) as held:
        assert held


def test_a_damaged_claim_is_named(tmp_path: Path) -> None:
    claims = Claims(tmp_path)
    claims.add(claim())
    (path,) = (tmp_path / "open").glob("*.json")
    path.write_text("{")
    with pytest.raises(InfraError, match=path.name):
        claims.open()
