"""Which hosts and suites a share of a plan has, and plans narrowed to some of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.errors import UsageError
from ci.pipelines.main import shares
from ci.pipelines.plan import Plan, load_plan
from ci.shard import WHOLE, Shard

PLAN = """
[[hosts]]
kind = "ssh"
name = "one"
address = "192.0.2.1"
[[hosts]]
kind = "ssh"
name = "two"
address = "192.0.2.2"
[[suites]]
kind = "tck"
[[suites]]
kind = "stress"
name = "long"
[jenkins]
cron = "H 2 * * *"
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "plan.toml"
    path.write_text(PLAN, encoding="utf-8")
    return path


def units(plan: Plan, shard: Shard) -> list[str]:
    return [f"{host.name}/{suite.name}" for host, suites in shares(plan, shard) for suite in suites]


def test_the_shares_together_are_the_whole(path: Path) -> None:
    plan = load_plan(path).plan
    parts = [units(plan, Shard(index, 3)) for index in (1, 2, 3)]
    assert sorted(unit for part in parts for unit in part) == sorted(units(plan, WHOLE))
    assert len(units(plan, WHOLE)) == 4


def test_a_host_without_a_suite_in_the_share_is_left_out(path: Path) -> None:
    plan = load_plan(path).plan
    assert [host.name for host, _suites in shares(plan, Shard(1, 4))] == ["one"]


def test_hosts_and_suites_are_narrowed_by_name(path: Path) -> None:
    plan = load_plan(path, ('hosts=["two"]', 'suites=["tck"]')).plan
    assert units(plan, WHOLE) == ["two/tck"]


def test_a_name_that_is_not_there_is_told_with_the_known_ones(path: Path) -> None:
    with pytest.raises(UsageError, match="there is no three; known: one, two"):
        load_plan(path, ('hosts=["three"]',))


def test_a_bad_schedule_is_an_error_of_the_plan_with_its_place(path: Path) -> None:
    path.write_text(PLAN.replace("H 2 * * *", "99 2 * * *"), encoding="utf-8")
    with pytest.raises(UsageError, match=r"jenkins.*cron.*99 is not within 0 and 59"):
        load_plan(path)
