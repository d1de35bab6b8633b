"""A whole plan of fakes: every door is a record that notes its calls in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import msgspec

from ci.codec import to_json
from ci.deadline import Deadline
from ci.journal import Event, Journal, read
from ci.launch.target import SuiteEnd, Target, suite_end
from ci.model import Access, Build, CaseResult, Outcome, Record, Rpm, Tree
from ci.pipelines.plan import Plan
from ci.run import Step


def note(calls: str, what: str) -> None:
    with Path(calls).open("a") as file:
        file.write(what + "\n")


class FakeSource(Record, frozen=True, kw_only=True):
    calls: str

    def fetch(self, step: Step) -> Tree:
        note(self.calls, "fetch")
        return Tree(path=str(step.folder), revision="r1", digest="d1")


class FakeBuilder(Record, frozen=True, kw_only=True):
    calls: str
    needs_tree: bool = True

    def make(self, step: Step, tree: Tree) -> Build:
        note(self.calls, "make")
        rpm = Rpm(
            name="libvirt", epoch=0, version="9", release="1", arch="x86_64", path="x", sha256="s"
        )
        return Build(kind="fake", revision=tree.revision, rpms=(rpm,))


class FakeHost(Record, frozen=True, kw_only=True):
    calls: str
    name: str = "h1"

    def acquire(self, step: Step) -> Access:
        note(self.calls, f"acquire {self.name}")
        return Access(
            name=self.name, address="", port=0, user="", key="", known_hosts="",
            hypervisor="test", uri="test:///default", boot_id="b1",
        )  # fmt: skip

    def still_up(self, access: Access, deadline: Deadline) -> bool:
        return True

    def release(self, access: Access, deadline: Deadline) -> None:
        note(self.calls, f"release {self.name}")


class FakeSuite(Record, frozen=True, kw_only=True):
    """Writes its cases one by one; goes on behind those that its ledger holds."""

    calls: str
    name: str
    cases: tuple[tuple[str, Outcome], ...]
    seconds: int = 60

    def run(self, step: Step, target: Target) -> SuiteEnd:
        path = step.folder / "ledger.jsonl"
        journal = Journal(path)
        try:
            self._cases(journal, {event.name for event in read(path)})
        finally:
            journal.close()
        return suite_end(self.name, target, path, step.relative(path))

    def _cases(self, journal: Journal, done: set[str]) -> None:
        for name, outcome in self.cases:
            if name not in done:
                note(self.calls, f"case {self.name}/{name}")
                journal.append(_case(self.name, name, outcome))


def _case(suite: str, name: str, outcome: Outcome) -> Event:
    result = CaseResult(suite=suite, name=name, outcome=outcome, message="why")
    return Event(at=1.0, what="case", name=name, data=msgspec.Raw(to_json(result)))


def fake_plan(calls: Path, *outcomes: Outcome, hosts: tuple[Any, ...] = ()) -> Plan:
    cases = tuple((f"case-{n}", outcome) for n, outcome in enumerate(outcomes))
    return Plan(
        source=cast(Any, FakeSource(calls=str(calls))),
        build=cast(Any, FakeBuilder(calls=str(calls))),
        hosts=cast(Any, hosts or (FakeHost(calls=str(calls)),)),
        suites=cast(
            Any,
            (
                FakeSuite(calls=str(calls), name="one", cases=cases),
                FakeSuite(calls=str(calls), name="two", cases=cases),
            ),
        ),
    )
