"""Runs found by their folders."""

from __future__ import annotations

import time
from pathlib import Path

from ci.pipelines.runs import find, folders, new_id


def begun(runs: Path, name: str, at: float) -> None:
    (runs / name).mkdir()
    (runs / name / "journal.jsonl").write_text(f'{{"at":{at},"what":"run"}}\n')


def test_the_last_of_two_runs_of_one_second_is_the_one_that_began_later(tmp_path: Path) -> None:
    begun(tmp_path, "20261128-203118-plan-4bfd", 100.7)
    begun(tmp_path, "20261128-203118-plan-d388", 100.2)
    begun(tmp_path, "20261128-203117-zebra-ffff", 99.0)
    assert find(tmp_path, "last").name == "20261128-203118-plan-4bfd"
    assert [run.name[-4:] for run in folders(tmp_path)] == ["ffff", "d388", "4bfd"]


def test_a_run_whose_journal_was_cut_is_listed_too(tmp_path: Path) -> None:
    begun(tmp_path, "20261128-203118-plan-4bfd", 100.7)
    (tmp_path / "20261128-203119-plan-aaaa").mkdir()
    (tmp_path / "20261128-203119-plan-aaaa/journal.jsonl").write_bytes(b"")
    assert [run.name[-4:] for run in folders(tmp_path)] == ["4bfd", "aaaa"]


def test_names_of_runs_of_one_plan_are_in_the_order_in_which_they_began() -> None:
    names = []
    for _ in range(20):
        names.append(new_id("plans/demo.toml"))
        time.sleep(0.001)
    assert names == sorted(names)
