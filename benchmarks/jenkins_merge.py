"""How long, and how much memory, merging 1,000 shards with 100,000 cases takes.

Run: python -m benchmarks.jenkins_merge [SHARDS] [CASES_EACH]
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from ci.codec import to_json
from ci.journal import Event, Journal
from ci.model import CaseResult, Outcome
from ci.report import junit
from ci.report.loading import load
from ci.report.merge import find_shards, merge
from ci.report.results import RunHeader


def raw(record: object) -> msgspec.Raw:
    return msgspec.Raw(to_json(record))


def make(folder: Path, number: int, cases: int) -> None:
    """One shard's run, with a failure now and then."""
    header = RunHeader(plan="p.toml", plan_digest="d", virtci="0", plan_text="p")
    journal = Journal(folder / "journal.jsonl", group_seconds=60)
    journal.append(Event(at=1.0, what="run", name=folder.name, data=raw(header)))
    journal.append(Event(at=2.0, what="ended"))
    journal.close()
    ledger = Journal(
        folder / f"suites/host{number % 10}/tck{number}/ledger.jsonl", group_seconds=60
    )
    for case in range(cases):
        failed = case % 50 == 49
        result = CaseResult(
            suite=f"tck{number}",
            name=f"domain/create_{case}",
            outcome=Outcome.FAILED if failed else Outcome.PASSED,
            seconds=0.01,
            message="expected 0, got -22" if failed else "",
            steps={"create": 0.005, "check": 0.005},
        )
        ledger.append(Event(at=1.5, what="case", name=result.name, data=raw(result)))
    ledger.close()


def main(shards: int = 1000, cases: int = 100) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(1, shards + 1):
            make(folder / f"s/run-{number}-of-{shards}", number, cases)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began = time.perf_counter()
        done = merge(find_shards([folder / "s"]), folder / "merged")
        merged = time.perf_counter() - began
        junit.write(folder / "merged/junit.xml", load(folder / "merged"))
        whole = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        size = (folder / "merged/junit.xml").stat().st_size / 1e6
        print(f"{len(done.shards)} shards, {done.cases} cases")
        print(
            f"journals and ledgers merged: {merged:.1f} s; "
            f"with the JUnit ({size:.0f} MB): {whole:.1f} s"
        )
        print(f"peak memory: {before / 1024:.0f} MiB before, {after / 1024:.0f} MiB after")


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]))
