"""Imports: any order, any number of times, at once, and all or nothing."""

from __future__ import annotations

import multiprocessing
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import alembic.autogenerate
import msgspec
import pytest
from alembic.migration import MigrationContext
from sqlalchemy import func, select

from ci.errors import InfraError, UsageError
from ci.history import schema
from ci.history.database import History, default_url, opened
from ci.history.importer import Imported, Importer
from ci.history.queries import commits_of
from ci.model import Outcome
from ci.run import Failure
from tests.made_runs import DAY, START, case, commit, event, iterations, make_run

TABLES = (
    schema.runs, schema.hosts, schema.commits, schema.tests,
    schema.results, schema.signatures, schema.steps,
)  # fmt: skip


def everything(history: History) -> dict[str, Any]:
    """All rows without the numbers that depend on the order of import."""
    with history.reading() as c:
        runs = c.execute(select(schema.runs.c.name, schema.runs.c.outcome, schema.runs.c.source))
        rows = c.execute(
            select(schema.runs.c.name, schema.tests.c.name, schema.results.c.outcome,
                   schema.results.c.passed, schema.results.c.failed, schema.results.c.signature)
            .join(schema.runs, schema.runs.c.id == schema.results.c.run_id)
            .join(schema.tests, schema.tests.c.id == schema.results.c.test_id)
        )  # fmt: skip
        return {"runs": sorted(map(tuple, runs)), "rows": sorted(map(str, rows))}


def counts(history: History) -> list[int]:
    with history.reading() as connection:
        found = (connection.scalar(select(func.count()).select_from(table)) for table in TABLES)
        return [int(count or 0) for count in found]


def some_runs(folder: Path, count: int = 6) -> list[Path]:
    return [
        make_run(
            folder, f"run-{n}",
            {"xen1/tck": [case("a/x", Outcome.FAILED if n % 2 else Outcome.PASSED), case("a/y")],
             "xen1/stress": iterations(5, n % 2)},
            at=START + n * DAY, revision=f"r{n}", commits=[commit(f"c{n}")],
        )
        for n in range(count)
    ]  # fmt: skip


def test_an_import_can_be_repeated(history: History, tmp_path: Path) -> None:
    folders = some_runs(tmp_path / "runs")
    assert [Importer(history).run(f) for f in folders] == [Imported.NEW] * len(folders)
    before, rows = counts(history), everything(history)
    assert [Importer(history).run(f) for f in folders] == [Imported.SAME] * len(folders)
    assert (counts(history), everything(history)) == (before, rows)
    assert before[0] == len(folders)
    assert before[4] == len(folders) * 6  # three steps, two tests, one loop


def test_the_order_of_imports_makes_no_difference(tmp_path: Path) -> None:
    folders = some_runs(tmp_path / "runs")
    found = []
    for order in range(3):
        random.Random(order).shuffle(folders)
        with opened(f"sqlite:///{tmp_path}/{order}.sqlite") as history:
            importer = Importer(history)
            for folder in folders:
                importer.run(folder)
            found.append(everything(history))
    assert found[0] == found[1] == found[2]


def test_a_run_that_has_gone_on_replaces_what_was_there(history: History, tmp_path: Path) -> None:
    folder = make_run(tmp_path, "1", {"xen1/tck": [case("a/x", Outcome.FAILED)]}, end="interrupted")
    importer = Importer(history)
    importer.run(folder)
    ledger = folder / "suites" / "xen1" / "tck" / "ledger.jsonl"
    with ledger.open("ab") as file:
        file.write(event(START + 99, "case", "a/x", case("a/x")))
        file.write(event(START + 99, "case", "a/new", case("a/new")))
    with (folder / "journal.jsonl").open("ab") as file:
        file.write(event(START + 100, "ended"))
    assert importer.run(folder) is Imported.GROWN
    assert "('1', 'a/x', 'passed', 1, 0, None)" in everything(history)["rows"]
    assert "('1', 'a/new', 'passed', 1, 0, None)" in everything(history)["rows"]
    assert everything(history)["runs"] == [("1", "passed", "r1")]


def import_all(url: str, folders: list[Path], seed: int) -> None:
    random.Random(seed).shuffle(folders)
    with opened(url) as history:
        importer = Importer(history)
        for folder in folders:
            importer.run(folder)


@pytest.mark.timeout(300)
def test_several_importers_at_once_leave_what_one_leaves(url: str, tmp_path: Path) -> None:
    folders = some_runs(tmp_path / "runs", 12)
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=import_all, args=(url, folders, n)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(240)
    assert [worker.exitcode for worker in workers] == [0] * len(workers)
    with opened(url) as history, opened(f"sqlite:///{tmp_path}/alone.sqlite") as alone:
        for folder in folders:
            Importer(alone).run(folder)
        assert everything(history) == everything(alone)
        assert counts(history) == counts(alone)


def test_a_cut_import_leaves_nothing(
    history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = some_runs(tmp_path, 1)[0]

    def cut(*_: object) -> None:
        raise InfraError("cut")

    with monkeypatch.context() as patched:
        patched.setattr("ci.history.importer.result_row", cut)
        with pytest.raises(InfraError, match="cut"):
            Importer(history).run(folder)
    assert counts(history) == [0] * len(TABLES)
    assert Importer(history).run(folder) is Imported.NEW


def test_hostile_names_and_messages_are_taken_in(history: History, tmp_path: Path) -> None:
    bad = "\x00'; DROP TABLE runs; -- \U0001f4a5 %s {x}" + "n" * 2000
    folder = make_run(tmp_path, "1", {"xen1/tck": [case(bad, Outcome.FAILED, bad)]})
    assert Importer(history).run(folder) is Imported.NEW
    assert Importer(history).run(folder) is Imported.SAME
    assert counts(history)[0] == 1


def test_hostile_text_in_every_other_place_is_taken_in_too(
    history: History, tmp_path: Path
) -> None:
    bad = "\x00\x1b'; DROP TABLE runs; -- " + "n" * 300
    spoilt = msgspec.structs.replace(commit(bad), author=bad, subject=bad, date=bad)
    steps = [case("iteration-000001", suite="s", steps={bad: 1.0, bad + "2": 2.0})]
    folder = make_run(
        tmp_path, "1", {"xen1/stress": steps}, revision="r\x00", commits=[spoilt],
        failed_steps=[(f"deploy/{bad}", Failure(blame="lab", message=bad))], plan=f"plans/{bad}",
    )  # fmt: skip
    assert Importer(history).run(folder) is Imported.NEW
    with history.reading() as connection:
        (named,) = commits_of(connection, ["1"])["1"]
    assert named.author.startswith("\\x00\\x1b'; DROP")


def test_two_runs_of_one_name_stay_two(history: History, tmp_path: Path) -> None:
    """Each build of a job may call its folder alike; neither may take the other's place."""
    folders = [
        make_run(tmp_path / f"build-{n}", "merged", {"xen1/tck": [case("a/x")]},
                 at=START + n * DAY, revision=f"r{n}")
        for n in range(3)
    ]  # fmt: skip
    importer = Importer(history)
    assert [importer.run(one) for one in folders] == [Imported.NEW] * 3
    assert [Importer(history).run(one) for one in folders] == [Imported.SAME] * 3
    with (folders[1] / "journal.jsonl").open("ab") as file:
        file.write(event(START + 2 * DAY, "resumed") + event(START + 2 * DAY, "ended"))
    assert importer.run(folders[1]) is Imported.GROWN
    assert sorted(source for _, _, source in everything(history)["runs"]) == ["r0", "r1", "r2"]


@pytest.mark.parametrize("file", ["journal.jsonl", "suites/xen1/tck/ledger.jsonl"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda b: b.replace(b'"passed"', b'"nonsense"').replace(b'"seconds":1.5', b'"seconds":"x"'),
        lambda b: b"\xff\xfe" + b,
        lambda b: b.replace(b'"name":"', b'"name":"\xc3', 2),
        lambda b: b[: len(b) // 2] + b"\0" * 40 + b[len(b) // 2 :],
    ],
)
def test_a_damaged_run_is_refused_in_a_sentence(
    tmp_path: Path, file: str, damage: Callable[[bytes], bytes]
) -> None:
    folder = some_runs(tmp_path, 1)[0]
    path = folder / file
    path.write_bytes(damage(path.read_bytes()))
    with opened(f"sqlite:///{tmp_path}/h.sqlite") as history:
        with pytest.raises((InfraError, UsageError), match=re.escape(str(folder))) as caught:
            Importer(history).run(folder)
        assert "\n" not in caught.value.message
        assert counts(history)[0] == 0


def test_the_migrations_lead_to_the_schema_of_the_code(history: History) -> None:
    with history.reading() as connection:
        context = MigrationContext.configure(connection)
        assert alembic.autogenerate.compare_metadata(context, schema.metadata) == []


def test_a_wrong_url_and_a_dead_server_are_told_in_a_sentence(tmp_path: Path) -> None:
    for url in ("nonsense", "mysql://host/x"):
        with pytest.raises(UsageError):
            History(url)
    with pytest.raises(InfraError, match="does not work") as caught:
        History(f"postgresql://user:secret@/x?host={tmp_path}")
    assert "secret" not in caught.value.message


def test_the_default_lies_in_the_users_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert default_url() == "sqlite:////data/virtci/history.sqlite"
