"""A controller stand-in: its own state machine, behaving as recorded on Jenkins 2.516.

Time comes from a clock, so tests on a fake one take no time. ``answer`` is the whole of HTTP.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace

from ci.deadline import Clock
from tests.jenkins import config_xml

HIDDEN = (
    "\x1b[8mha:////4BB4uiJWhDOVmN8DhAZ38KFN4fYtf3IifoONSfd/P/CxAAAAlB+LCAAAAAAAAP9b85aBtbiI\x1b[0m"
)


@dataclass(frozen=True)
class Script:
    """How a build goes: lines at their seconds, how long, what comes out, what it waits for."""

    lines: tuple[tuple[float, str], ...] = ((0.0, "+ echo hello"), (0.5, "hello"))
    seconds: float = 1.0
    result: str = "SUCCESS"
    cases: tuple[tuple[str, str, str], ...] | None = None
    stages: tuple[str, ...] = ("Build", "Suites")
    inner_why: str = ""
    artifacts: dict[str, bytes] = field(default_factory=dict)


@dataclass
class Item:
    """An order in the queue."""

    id: int
    job: str
    parameters: dict[str, object]
    at: float
    quiet: float
    cancelled: bool = False
    build: int | None = None


@dataclass
class Build:
    number: int
    queue_id: int
    job: str
    parameters: dict[str, object]
    at: float
    script: Script
    stopped: float | None = None
    looked: bool = False

    def ends(self) -> float:
        whole = self.at + self.script.seconds
        return whole if self.stopped is None else min(whole, self.stopped + 1.5)

    def console(self, now: float) -> bytes:
        """As it is kept: LF, with notes."""
        lines = [f"Started by user {HIDDEN}ci", f"{HIDDEN}[Pipeline] Start of Pipeline"]
        until = min(now, self.ends()) - self.at
        lines += [text for at, text in self.script.lines if at <= until]
        if now >= self.ends():
            lines += [f"{HIDDEN}[Pipeline] End of Pipeline", f"Finished: {self.result()}"]
        return "".join(f"{line}\n" for line in lines).encode()

    def result(self) -> str:
        early = self.stopped is not None and self.stopped < self.at + self.script.seconds
        return "ABORTED" if early else self.script.result


@dataclass
class JobState:
    xml: str
    folder: bool = False
    builds: list[Build] = field(default_factory=list)
    next_number: int = 1


class StandIn:
    """The state, advanced by looking at it."""

    def __init__(self, clock: Clock, *, user: str = "ci", token: str = "t0ken-of-ci") -> None:
        self.clock, self.user, self.token = clock, user, token
        self.url = "http://jenkins.test:8080/"
        self.jobs: dict[str, JobState] = {}
        self.views: dict[tuple[str, str], str] = {}
        self.items: dict[int, Item] = {}
        self.scripts: dict[str, Script] = {}
        self.quiet_seconds = 5.0
        self.quieting_down = False
        self.plugins: dict[str, str] = dict(PLUGINS)
        self.nodes: list[dict[str, object]] = [NODE]
        self.locks: list[dict[str, object]] = []
        self.credentials: list[str] = ["xen-lab-key"]
        self.validator_errors: list[object] = []
        self.down_until = self.starting_until = 0.0
        self.log: list[tuple[str, str]] = []
        self.forbidden: tuple[str, ...] = ()
        self.executable_late = 0  # so many looks at an item that has left show no build yet
        self._ids = itertools.count(1)

    def now(self) -> float:
        return self.clock.wall()

    def restart(self, *, down: float = 10.0, starting: float = 16.0) -> None:
        """Ids of what left the queue are gone; what runs goes on under a new one (recorded in 70:
        65 became 67), what has ended keeps its own. Whether what waits keeps its id was not
        recorded: here it does not, which asks more of a client."""
        self.advance()
        waiting = [item for item in self.items.values() if self.waits(item)]
        self.items = {}
        for item in waiting:
            moved = replace(item, id=next(self._ids))
            self.items[moved.id] = moved
        for job in self.jobs.values():
            for build in job.builds:
                if build.ends() > self.now():
                    build.queue_id = next(self._ids)
        self.down_until = self.now() + down
        self.starting_until = self.down_until + starting

    def add_job(self, name: str, xml: str) -> JobState:
        self.jobs[name] = JobState(config_xml.as_posted(xml), ".folder.Folder" in xml[:200])
        return self.jobs[name]

    def order(self, job: str, parameters: dict[str, object], *, merge: bool) -> tuple[Item, bool]:
        """A new item, or (303, or silently) the one that is queued already."""
        for item in self.items.values():
            if item.job == job and self.waits(item) and (item.parameters == parameters and merge):
                return item, True
        item = Item(next(self._ids), job, parameters, self.now(), self.quiet_seconds)
        self.items[item.id] = item
        return item, False

    def waits(self, item: Item) -> bool:
        self.advance()
        return item.build is None and not item.cancelled

    def why(self, item: Item) -> tuple[str, str | None]:
        """The class of an item, and why it waits; typographic quotes as recorded."""
        left = item.at + item.quiet - self.now()
        if item.cancelled or item.build is not None:
            return "LeftItem", None
        if left > 0:
            return "WaitingItem", f"In the quiet period. Expires in {left:.2g} sec"
        if self.quieting_down:
            return "BlockedItem", "Jenkins is about to shut down"
        return (
            "BlockedItem",
            f"Build #{self.running(item.job)} is already in progress (ETA: 10 sec)",
        )

    def running(self, job: str) -> int | None:
        now = self.now()
        numbers = [b.number for b in self.jobs[job].builds if b.ends() > now]
        return numbers[-1] if numbers else None

    def advance(self) -> None:
        """Let what can leave the queue leave it."""
        for item in sorted(self.items.values(), key=lambda item: item.id):
            due = item.at + item.quiet
            if item.build is not None or item.cancelled or self.now() < due or self.quieting_down:
                continue
            job = self.jobs.get(item.job)
            if job is None:
                item.cancelled = True
                continue
            single = "DisableConcurrentBuildsJobProperty" in job.xml
            if single and self.running(item.job) is not None:
                continue
            self._start(item, job, due if not single else self.now())

    def _start(self, item: Item, job: JobState, at: float) -> None:
        outcome = str(item.parameters.get("OUTCOME", ""))
        script = self.scripts.get(f"{item.job}:{outcome}") or self.scripts.get(item.job, Script())
        build = Build(job.next_number, item.id, item.job, item.parameters, at, script)
        job.builds.append(build)
        job.next_number += 1
        item.build = build.number
        job.xml = config_xml.as_saved_by_a_run(job.xml)


PLUGINS = {
    "workflow-aggregator": "608.v67378e9d3db_1",
    "workflow-durable-task-step": "1405.v1fcd4a_d00096",
    "pipeline-stage-step": "322.vecffa_99f371c",
    "workflow-job": "1546.v62a_c59c112dd",
    "workflow-cps": "4183.v94b_6fd39da_c1",
    "workflow-basic-steps": "1079.vce64b_a_929c5a_",
    "pipeline-model-definition": "2.2265.v140e610fe9d5",
    "timestamper": "1.30",
    "lockable-resources": "1412.v5a_b_0",
    "junit": "1335.v6b_a_a_e18534e1",
    "credentials-binding": "702.vfe613e537e88",
    "ssh-credentials": "361.vb_f6760818e8c",
    "plain-credentials": "199.v9f8e1f741799",
    "pipeline-rest-api": "2.38",
    "cloudbees-folder": "6.1023.v4fe11f7b_57b_d",
    "git": "5.7.0",
}
NODE: dict[str, object] = {
    "displayName": "builder-1",
    "offline": False,
    "numExecutors": 4,
    "assignedLabels": [{"name": "virt-build"}, {"name": "virt-host"}, {"name": "builder-1"}],
}
