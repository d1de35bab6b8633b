"""Shards made into one run: everything is kept, and the worse verdict wins."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from ci.codec import to_json
from ci.errors import UsageError
from ci.journal import Event, Journal
from ci.model import CaseResult, Looked, Outcome, Tree
from ci.report.loading import load
from ci.report.merge import find_shards, merge, missing_shards
from ci.report.results import RunHeader, exit_code
from ci.run import Done, Failure, Run

GOOD, BAD, LAB = Outcome.PASSED, Outcome.FAILED, Outcome.BROKEN
Cases = dict[str, dict[str, Outcome]]


def write(
    folder: Path,
    cases: Cases,
    *,
    end: str = "ended",
    failed: str = "",
    plan: str = "p",
    unlooked: str = "",
) -> None:
    """A shard's run: ``cases`` by ``host/suite`` and name."""
    journal = Journal(folder / "journal.jsonl")
    header = RunHeader(plan="p.toml", plan_digest="d", virtci="0", plan_text=plan)
    tree = Tree(path="t", revision="r1", digest="d1")
    done = Done(seconds=1.0, value=msgspec.Raw(to_json(tree)))
    journal.append(event("run", folder.name, header))
    journal.append(event("done", "source", done))
    if failed:
        journal.append(event("failed", failed, Failure(blame="lab", message="the disk is full")))
    if unlooked:
        journal.append(event("looked", unlooked, Looked(trouble="no way in")))
    if end:
        journal.append(event(end))
    journal.close()
    for place, outcomes in cases.items():
        ledger = Journal(folder / "suites" / place / "ledger.jsonl")
        for name, outcome in outcomes.items():
            message = "" if outcome is GOOD else "because"
            suite = place.rpartition("/")[2]
            result = CaseResult(suite=suite, name=name, outcome=outcome, message=message)
            ledger.append(event("case", name, result))
        ledger.close()


def event(what: str, name: str = "", record: object = None) -> Event:
    return Event(at=1.0, what=what, name=name, data=msgspec.Raw(to_json(record)))


def verdicts(folder: Path) -> dict[str, Outcome]:
    return {
        f"{suite.host}/{suite.suite}/{case.name}": case.outcome
        for suite in load(folder).suites
        for case in suite.cases
    }


def test_every_case_of_every_shard_is_in_the_merged_run(tmp_path: Path) -> None:
    write(tmp_path / "s/run-1-of-2", {"xen1/tck": {"a": GOOD, "b": BAD}})
    write(tmp_path / "s/run-2-of-2", {"xen1/stress": {"a": GOOD}, "xen2/tck": {"a": GOOD}})
    done = merge(find_shards([tmp_path / "s"]), tmp_path / "out")
    assert verdicts(tmp_path / "out") == {
        "xen1/tck/a": GOOD, "xen1/tck/b": BAD, "xen1/stress/a": GOOD, "xen2/tck/a": GOOD,
    }  # fmt: skip
    assert (done.cases, done.missing) == (4, ())
    assert exit_code(load(tmp_path / "out")) == 1


def test_that_nobody_could_look_behind_a_suite_is_kept(tmp_path: Path) -> None:
    write(tmp_path / "s/run-1-of-2", {"xen1/tck": {"a": GOOD}}, unlooked="xen1/tck")
    write(tmp_path / "s/run-2-of-2", {"xen2/tck": {"a": GOOD}})
    merge(find_shards([tmp_path / "s"]), tmp_path / "out")
    assert load(tmp_path / "out").unlooked == ("xen1/tck: no way in",)


@pytest.mark.parametrize("order", [(GOOD, BAD), (BAD, GOOD)])
def test_a_case_that_ran_twice_keeps_the_worse_verdict(
    tmp_path: Path, order: tuple[Outcome, Outcome]
) -> None:
    for number, outcome in enumerate(order, 1):
        write(tmp_path / f"s/run-{number}-of-2", {"xen1/tck": {"a": outcome}})
    merge(find_shards([tmp_path / "s"]), tmp_path / "out")
    assert verdicts(tmp_path / "out") == {"xen1/tck/a": BAD}


def test_a_shard_that_left_nothing_breaks_the_whole(tmp_path: Path) -> None:
    write(tmp_path / "s/run-1-of-3", {"x/tck": {"a": GOOD}})
    write(tmp_path / "s/run-3-of-3", {"y/tck": {"a": GOOD}})
    done = merge(find_shards([tmp_path / "s"]), tmp_path / "out")
    assert done.missing == ("run-2-of-3",)
    results = load(tmp_path / "out")
    assert results.failed_steps[0].message == "the shard run-2-of-3 left no results"
    assert exit_code(results) == 3


@pytest.mark.parametrize(("end", "says"), [("", "was cut"), ("interrupted", "was interrupted")])
def test_a_shard_that_was_cut_breaks_the_whole(tmp_path: Path, end: str, says: str) -> None:
    write(tmp_path / "s/run-1-of-2", {"x/tck": {"a": GOOD}}, end=end)
    write(tmp_path / "s/run-2-of-2", {"y/tck": {"a": GOOD}})
    merge(find_shards([tmp_path / "s"]), tmp_path / "out")
    results = load(tmp_path / "out")
    assert says in results.failed_steps[0].message
    assert exit_code(results) == 3


def test_a_step_that_failed_in_one_shard_is_kept_beside_the_good_ones(tmp_path: Path) -> None:
    write(tmp_path / "s/run-1-of-2", {"x/tck": {"a": GOOD}})
    write(tmp_path / "s/run-2-of-2", {}, failed="source")
    merge(find_shards([tmp_path / "s"]), tmp_path / "out")
    results = load(tmp_path / "out")
    assert {step.name: step.state for step in results.steps} == {
        "source": "done", "source [run-2-of-2]": "failed",
    }  # fmt: skip
    assert results.tree is not None


def test_shards_of_different_plans_are_not_merged(tmp_path: Path) -> None:
    write(tmp_path / "s/run-1-of-2", {}, plan="one")
    write(tmp_path / "s/run-2-of-2", {}, plan="two")
    with pytest.raises(UsageError, match="another plan"):
        merge(find_shards([tmp_path / "s"]), tmp_path / "out")


def test_a_folder_that_is_no_run_is_never_overwritten(tmp_path: Path) -> None:
    write(tmp_path / "s/run-1-of-1", {})
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.tex").write_text("x")
    with pytest.raises(UsageError, match="is no run"):
        merge(find_shards([tmp_path / "s"]), tmp_path / "mine")
    with pytest.raises(UsageError, match="one of the shards"):
        merge(find_shards([tmp_path / "s"]), tmp_path / "s/run-1-of-1")


def test_merging_again_gives_the_same(tmp_path: Path) -> None:
    write(tmp_path / "s/run-1-of-1", {"x/tck": {"a": GOOD}})
    first = merge(find_shards([tmp_path / "s"]), tmp_path / "out")
    assert merge(find_shards([tmp_path / "s"]), tmp_path / "out") == first


def test_no_shard_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run to merge"):
        find_shards([tmp_path])


def test_missing_shards_are_told_from_the_names_of_the_others() -> None:
    assert list(missing_shards(["a-1-of-2", "b-1-of-3", "b-3-of-3", "c"])) == [
        "a-2-of-2", "b-2-of-3",
    ]  # fmt: skip


def test_only_a_merged_run_is_made_anew(tmp_path: Path) -> None:
    write(tmp_path / "s/run-1-of-2", {"xen1/tck": {"a": GOOD}}, failed="suites/xen1/x", end="")
    write(tmp_path / "s/run-2-of-2", {"xen1/tck": {"b": GOOD}})
    merged = tmp_path / "merged"
    for _ in range(2):
        merge(find_shards([tmp_path / "s"]), merged)
    own = Run(tmp_path / "own")
    own.note("run", "own", RunHeader(plan="p.toml", plan_digest="d", virtci="0"))
    own.step("source", Tree, lambda _: Tree(path="t", revision="r1", digest="d1"))
    own.close()
    before = (tmp_path / "own/journal.jsonl").read_bytes()
    with pytest.raises(UsageError, match="own is a run of its own and no merged one"):
        merge(find_shards([tmp_path / "s"]), tmp_path / "own")
    assert (tmp_path / "own/journal.jsonl").read_bytes() == before
    assert verdicts(merged) == {"xen1/tck/a": GOOD, "xen1/tck/b": GOOD}
