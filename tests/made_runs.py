"""Run folders made for tests: the files that a run leaves, without the run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ci.codec import to_json
from ci.journal import Event
from ci.model import Build, CaseResult, Commit, Deployment, Module, Outcome, Rpm, Tree
from ci.report.results import RunHeader
from ci.run import Done, Failure

START = 1_790_000_000.0
DAY = 86_400.0
PLAN = """[source]
kind = "git"
url = "https://example.org/libvirt.git"
[[hosts]]
kind = "nested"
name = "xen1"
[[suites]]
kind = "stress"
loops = 3
[[suites]]
kind = "tck"
"""


def event(at: float, what: str, name: str = "", record: Any = None) -> bytes:
    made = Event(at=at, what=what, name=name, data=msgspec.Raw(to_json(record)))
    return msgspec.json.encode(made) + b"\n"


def case(
    name: str,
    outcome: Outcome = Outcome.PASSED,
    message: str = "",
    *,
    suite: str = "tck",
    seconds: float = 0.1,
    **more: Any,
) -> CaseResult:
    why = message or ("" if outcome is Outcome.PASSED else "it did not hold")
    return CaseResult(
        suite=suite, name=name, outcome=outcome, message=why, seconds=seconds, host="xen1", **more
    )


def iterations(passed: int, failed: int = 0, **steps: float) -> Iterable[CaseResult]:
    """A loop whose last iterations failed."""
    for number in range(1, passed + failed + 1):
        bad = number > passed
        yield case(
            f"iteration-{number:06}",
            Outcome.FAILED if bad else Outcome.PASSED,
            f"reboot: no new boot id within 60 s (domain {number})" if bad else "",
            suite="stress.lifecycle",
            steps=steps or {"create": 0.5 + number % 7 / 10, "alive": 2.0},
        )


def tree(revision: str, commits: Sequence[Commit] = ()) -> Tree:
    return Tree(path="source/tree", revision=revision, digest="d" * 64, commits=tuple(commits))


def commit(name: str) -> Commit:
    return Commit(
        id=name, author="An Author", date="2026-09-01T12:00:00+00:00", subject=f"do {name}"
    )


def rpm(revision: str) -> Rpm:
    return Rpm(
        name="libvirt", epoch=0, version="9.0.0", release=f"1.g{revision}", arch="x86_64",
        path="build/libvirt.rpm", sha256="a" * 64,
    )  # fmt: skip


def deployment(revision: str, host: str = "xen1") -> Deployment:
    nevra = rpm(revision).nevra
    module = Module(path="/usr/sbin/libvirtd", build_id="b1", expected="b1", package=nevra)
    return Deployment(
        host=host, uri="xen:///system", installed=(nevra,), modules=(module,),
        changed=("/usr/sbin/libvirtd",), kernel="6.1.0", hypervisor_version="Xen 4.17",
        libvirt_version="9.0.0", boot_id="boot",
    )  # fmt: skip


def make_run(
    runs: Path,
    name: str,
    suites: Mapping[str, Iterable[CaseResult]],
    *,
    at: float = START,
    revision: str = "r1",
    commits: Sequence[Commit] = (),
    failed_steps: Sequence[tuple[str, Failure]] = (),
    end: str = "ended",
    plan: str = "plans/demo.toml",
) -> Path:
    """A run's folder; ``suites`` are named ``host/suite``."""
    folder = runs / name
    folder.mkdir(parents=True)
    header = RunHeader(plan=plan, plan_digest="p1", virtci="0.1.0", plan_text=PLAN)
    built = Build(kind="rpmbuild", revision=revision, rpms=(rpm(revision),))
    lines = [event(at, "run", name, header)]
    lines += _done(at, "source", tree(revision, commits))
    lines += _done(at, "build", built)
    lines += _done(at, "deploy/xen1", deployment(revision))
    for step, failure in failed_steps:
        lines += [event(at, "started", step), event(at, "failed", step, failure)]
    for suite, cases in suites.items():
        ledger = folder / "suites" / suite / "ledger.jsonl"
        ledger.parent.mkdir(parents=True)
        ledger.write_bytes(b"".join(event(at, "case", one.name, one) for one in cases))
        (ledger.parent / "output.log").write_text("what the suite said\n")
        lines += _done(at, f"suites/{suite}", {"suite": suite})
    lines += [event(at + 60, end)] if end else []
    (folder / "journal.jsonl").write_bytes(b"".join(lines))
    return folder


def _done(at: float, step: str, value: Any) -> list[bytes]:
    done = Done(seconds=1.5, value=msgspec.Raw(to_json(value)))
    return [event(at, "started", step), event(at + 1.5, "done", step, done)]
