"""The history with a million results: import rate and query times, SQLite and PostgreSQL.

.venv/bin/python -m benchmarks.history_scale [RESULTS]
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from sqlalchemy import Connection, text

from ci.history.database import History, opened
from ci.history.digest import digest
from ci.history.health import health
from ci.history.importer import Importer
from ci.history.queries import find_signatures, find_tests, points, recent_runs
from ci.history.rates import rates
from ci.history.regressions import regressions
from ci.model import CaseResult, Outcome
from ci.report.results import RunHeader, RunResults, StepResult, SuiteResults
from tests.history.postgres import postgres
from tests.made_runs import commit, deployment, tree

PER_RUN = 1000
START = 1_700_000_000.0
HOUR = 3600.0
REPEATS = 5


def made(count: int) -> Iterator[RunResults]:
    """Runs an hour apart, each with a thousand results on two hosts; some fail, in bouts."""
    for n in range(count):
        suites = tuple(
            SuiteResults(host=host, suite="tck", ledger="", cases=tuple(_cases(n, host)))
            for host in ("xen1", "kvm1")
        )
        steps = (StepResult(name="source", state="done", seconds=1.0 + n % 5),)
        yield RunResults(
            folder=f"/runs/run-{n:06}",
            header=RunHeader(plan=f"plan-{n % 4}.toml", plan_digest="d", virtci="0.1"),
            started=START + n * HOUR,
            ended=START + n * HOUR + 900,
            finished=True,
            interrupted=False,
            steps=steps,
            suites=suites,
            tree=tree(f"rev{n // 4}", [commit(f"rev{n // 4}")]),
            build=None,
            deployments=(deployment(f"rev{n // 4}", "xen1"), deployment(f"rev{n // 4}", "kvm1")),
        )


def _cases(n: int, host: str) -> Iterator[CaseResult]:
    for test in range(PER_RUN // 2):
        bad = (n // 40 + test) % 97 == 0
        broken = (n * 7 + test) % 1009 == 0
        outcome = Outcome.FAILED if bad else Outcome.BROKEN if broken else Outcome.PASSED
        word = "".join(chr(97 + int(digit)) for digit in str(test % 60))
        yield CaseResult(
            suite="tck",
            name=f"area{test % 20}/behaviour_{test}",
            outcome=outcome,
            seconds=0.05,
            host=host,
            message="" if outcome is Outcome.PASSED else f"wrong {word}",
        )


QUESTIONS: dict[str, Callable[[Connection], object]] = {
    "30 latest runs": lambda c: recent_runs(c, limit=30),
    "one test over time": lambda c: points(c, [find_tests(c, text="behaviour_77")[0].id]),
    "regressions of all plans": regressions,
    "rates, all time": rates,
    "rates, last 100 runs": lambda c: rates(c, since=latest(c) - 100 * HOUR),
    "search a signature": lambda c: find_signatures(c, "wrong bc"),
    "health, last 100 runs": lambda c: health(c, since=latest(c) - 100 * HOUR),
    "digest, last week": lambda c: digest(c, latest(c) - 168 * HOUR, latest(c) + 1),
}


def latest(connection: Connection) -> float:
    return recent_runs(connection, limit=1)[0].started


def measure(name: str, history: History, count: int) -> None:
    importer = Importer(history)
    busy = spent = 0.0
    for n, run in enumerate(made(count)):
        began, worked = time.perf_counter(), time.process_time()
        importer.results(run, f"mark-{n}")
        busy += time.perf_counter() - began
        spent += time.process_time() - worked
    total = count * PER_RUN
    said = f"{total} results in {busy:.1f} s, {total / busy:.0f} a second"
    print(f"{name}: {said}; {total / spent:.0f} per CPU second of the importer", flush=True)
    with history.writing() as connection:
        connection.execute(text("ANALYZE"))
    for question, ask in QUESTIONS.items():
        times = []
        for _ in range(REPEATS):
            with history.reading() as connection:
                began = time.perf_counter()
                ask(connection)
                times.append(time.perf_counter() - began)
        print(f"    {question:28} {median(times) * 1000:9.1f} ms", flush=True)


def main() -> None:
    count = (int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000) // PER_RUN
    wanted = sys.argv[2] if len(sys.argv) > 2 else "sqlite postgresql"
    if "sqlite" in wanted:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "h.sqlite"
            with opened(f"sqlite:///{path}") as history:
                measure("SQLite", history, count)
            print(f"    file: {path.stat().st_size / 1e6:.0f} MB")
    if "postgresql" in wanted:
        with postgres() as url, opened(url) as history:
            measure("PostgreSQL", history, count)


if __name__ == "__main__":
    main()
