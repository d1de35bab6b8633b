"""Runs' folders into the history: any order, any number of times, several importers at once."""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ci.errors import InfraError, UsageError
from ci.history import schema
from ci.history.database import History
from ci.history.rows import (
    Row,
    commit_rows,
    host_rows,
    key_of,
    result_row,
    run_row,
    step_rows,
)
from ci.report.loading import load
from ci.report.results import RunResults
from ci.report.tallies import Key, Tally, tallies
from ci.report.xml_text import printable

LONGEST_LINE = 1 << 20
SAME_MOMENT = 1e-3  # seconds


class Imported(enum.StrEnum):
    """What an import did."""

    NEW = "new"
    GROWN = "grown"  # it was there, and has gone on since
    SAME = "same"


class Importer:
    """Imports runs. Keeps the numbers of tests it has met, so that many runs go fast."""

    def __init__(self, history: History) -> None:
        self.history = history
        self._tests: dict[Key, int] = {}
        self._signatures: set[str] = set()

    def run(self, folder: Path) -> Imported:
        """Import one run's folder, all or nothing.

        Raises UsageError when it is none, InfraError when it is damaged or the database fails.
        """
        mark = fingerprint(folder)
        query = select(schema.runs.c.id).where(schema.runs.c.fingerprint == mark)
        with self.history.reading() as connection:
            known = connection.scalar(query.limit(1)) is not None
        return Imported.SAME if known else self.results(load(folder.absolute()), mark)

    def results(self, results: RunResults, mark: str) -> Imported:
        """Import a run that is read already; ``mark`` tells its states apart."""
        found = {key_of(tally): tally for tally in tallies(results)}
        with self.history.writing() as connection:
            run_id, before = _claim(connection, results)
            if before == mark:
                return Imported.SAME
            if before:
                _forget(connection, run_id)
            row = run_row(results) | {"fingerprint": mark}
            del row["name"]  # as it was claimed
            connection.execute(update(schema.runs).where(schema.runs.c.id == run_id).values(row))
            _add(connection, schema.hosts, host_rows(run_id, results))
            _add(connection, schema.commits, commit_rows(run_id, results))
            _add(connection, schema.steps, step_rows(run_id, results))
            learnt = self._learn_tests(connection, found.keys())
            new_signatures = self._learn_signatures(connection, found.values())
            rows = [result_row(run_id, learnt[key], tally) for key, tally in found.items()]
            _add(connection, schema.results, rows)
        self._tests |= learnt  # only what is committed is remembered
        self._signatures |= new_signatures
        return Imported.GROWN if before else Imported.NEW

    def _learn_tests(self, connection: Connection, keys: AbstractSet[Key]) -> dict[Key, int]:
        known = {key: self._tests[key] for key in keys if key in self._tests}
        if len(known) < len(keys):
            missing = sorted(keys - known.keys())
            known |= _numbers(connection, missing)
            missing = [key for key in missing if key not in known]
            rows = [{"suite": s, "host": h, "name": n} for s, h, n in missing]
            _add(connection, schema.tests, rows, ignore=True)
            known |= _numbers(connection, missing)
        return known

    def _learn_signatures(self, connection: Connection, found: Iterable[Tally]) -> set[str]:
        texts = {name: text for tally in found for name, text in tally.signatures.items()}
        missing = sorted(texts.keys() - self._signatures)
        rows = [{"id": name, "text": printable(texts[name])} for name in missing]
        _add(connection, schema.signatures, rows, ignore=True)
        return set(missing)


def fingerprint(folder: Path) -> str:
    """The first event is of this run alone; journal and ledgers only grow, so that their sizes tell
    its states apart. Raises UsageError when there is no journal, InfraError when it is unreadable.
    """
    journal = folder / "journal.jsonl"
    if not journal.is_file():
        raise UsageError(f"{folder} holds no run", hint="virtci runs lists the runs there are")
    files = sorted((journal, *folder.glob("suites/*/*/ledger.jsonl")))
    try:
        sizes = [f"{f.relative_to(folder)} {f.stat().st_size}" for f in files if f.is_file()]
        with journal.open("rb") as file:
            first = file.readline(LONGEST_LINE)
    except OSError as error:
        raise InfraError(f"{error.filename} cannot be read: {error.strerror}") from None
    return hashlib.sha256(first + "\n".join(sizes).encode(errors="replace")).hexdigest()


def _claim(connection: Connection, results: RunResults) -> tuple[int, str]:
    """The run's number, its row locked, and the mark of what is there of it (empty: nothing).

    Another run of the same name (each build of a job may call its folder so) keeps its row; this
    one is then named with the moment at which it began.
    """
    row = run_row(results) | {"fingerprint": ""}
    began = datetime.fromtimestamp(results.started, tz=UTC).strftime("%Y%m%dT%H%M%S.%f")
    for name in (row["name"], f"{row['name'][:170]}@{began}"):
        _add(connection, schema.runs, [row | {"name": name}], ignore=True)
        columns = (schema.runs.c.id, schema.runs.c.fingerprint, schema.runs.c.started)
        query = select(*columns).where(schema.runs.c.name == name)
        found = connection.execute(query.with_for_update()).one()
        if abs(found.started - results.started) < SAME_MOMENT:
            return found.id, found.fingerprint
    raise AssertionError("a name with the moment in it is of one moment")


def _forget(connection: Connection, run_id: int) -> None:
    for table in (schema.hosts, schema.commits, schema.steps, schema.results):
        connection.execute(delete(table).where(table.c.run_id == run_id))


def _add(connection: Connection, table: Any, rows: list[Row], *, ignore: bool = False) -> None:
    if not rows:
        return
    statement: Any = insert(table)
    if ignore:
        dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
        statement = dialect.insert(table).on_conflict_do_nothing()
    connection.execute(statement, rows)


def _numbers(connection: Connection, keys: list[Key]) -> dict[Key, int]:
    wanted = set(keys)
    found: dict[Key, int] = {}
    table = schema.tests.c
    for suite, host in sorted({key[:2] for key in keys}):
        query = select(table.id, table.name).where(table.suite == suite, table.host == host)
        for number, name in connection.execute(query):
            if (suite, host, name) in wanted:
                found[suite, host, name] = number
    return found
