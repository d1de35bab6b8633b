"""A run as rows of the history's tables, as long as their columns are."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Any

from ci.model import Outcome
from ci.report.compare import revision_tuple
from ci.report.results import NEUTRAL, RunResults
from ci.report.tallies import PIPELINE, Key, Tally, is_loop
from ci.report.xml_text import printable

MESSAGE = 500
NAME = 500
SAMPLES = 2000  # of each step of a loop; their median is kept

Row = dict[str, Any]


def key_of(tally: Tally) -> Key:
    """What a test is called there: PostgreSQL takes no zero bytes, and names are bounded."""
    return (_fit(tally.suite, 100), _fit(tally.host, 100), _fit(tally.name, NAME))


def _fit(text: str, limit: int) -> str:
    """A name as long as its column; what is cut off is told apart by its digest."""
    found = printable(text)
    if len(found) <= limit:
        return found
    return f"{found[: limit - 9]}~{hashlib.sha256(found.encode()).hexdigest()[:8]}"


def run_row(results: RunResults) -> Row:
    """The run itself, without its number and its fingerprint."""
    tested = revision_tuple(results)
    return {
        "name": _fit(results.id, 200),
        "plan": printable(Path(results.header.plan).stem),
        "plan_digest": printable(results.header.plan_digest)[:64],
        "virtci": printable(results.header.virtci)[:50],
        "folder": printable(results.folder),
        "started": results.started,
        "ended": results.ended,
        "finished": results.finished,
        "outcome": "refused" if results.refused else str(results.outcome),
        "source": printable(tested.get("source", "")),
        "packages": printable(tested.get("packages", "")),
    }


def host_rows(run_id: int, results: RunResults) -> list[Row]:
    """What its hosts ran."""
    return [
        {
            "run_id": run_id,
            "host": _fit(one.host, 100),
            "kernel": printable(one.kernel),
            "hypervisor": printable(one.hypervisor_version),
            "libvirt": printable(one.libvirt_version),
        }
        for one in results.deployments
    ]


def commit_rows(run_id: int, results: RunResults) -> list[Row]:
    """What was new in its source, newest first."""
    found = results.tree.commits if results.tree else ()
    return [
        {
            "run_id": run_id,
            "position": position,
            "commit_id": printable(one.id)[:64],
            "author": printable(one.author),
            "date": printable(one.date)[:40],
            "subject": printable(one.subject),
        }
        for position, one in enumerate(found)
    ]


def result_row(run_id: int, test_id: int, tally: Tally) -> Row:
    """How one test did."""
    neutral = sum(tally.counts[one] for one in NEUTRAL if one is not Outcome.PASSED)
    return {
        "run_id": run_id,
        "test_id": test_id,
        "outcome": str(tally.worst),
        "passed": tally.counts[Outcome.PASSED],
        "failed": tally.counts[Outcome.FAILED],
        "broken": tally.counts[Outcome.BROKEN],
        "neutral": neutral,
        "seconds": tally.seconds,
        "signature": next(iter(tally.signatures), None),
        "message": printable(tally.message)[:MESSAGE],
    }


def step_rows(run_id: int, results: RunResults) -> list[Row]:
    """Steps of the pipeline that ended well, and the median of each step of each loop."""
    rows = [
        _step_row(run_id, (PIPELINE, "", step.name), [step.seconds], 1)
        for step in results.steps
        if step.state == "done" and not step.name.startswith("suites/")
    ]
    for suite in results.suites:
        samples: dict[str, list[float]] = defaultdict(list)
        counts: dict[str, int] = defaultdict(int)
        for case in suite.cases:
            if not is_loop(case) or case.outcome is not Outcome.PASSED:
                continue
            for name, seconds in case.steps.items():
                counts[name] += 1
                if len(samples[name]) < SAMPLES:
                    samples[name].append(seconds)
        rows += [
            _step_row(run_id, (suite.suite, suite.host, name), seconds, counts[name])
            for name, seconds in samples.items()
        ]
    return rows


def _step_row(run_id: int, key: Key, seconds: list[float], count: int) -> Row:
    suite, host, name = key
    return {
        "run_id": run_id,
        "suite": _fit(suite, 100),
        "host": _fit(host, 100),
        "step": _fit(name, 200),
        "count": count,
        "seconds": median(seconds),
    }
