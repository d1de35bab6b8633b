"""The main job, top to bottom: source, build, hosts, deploy, suites."""

from __future__ import annotations

from ci.errors import Interrupted, VirtciError
from ci.launch import Suite
from ci.model import Build, Tree
from ci.pipelines.ahead import made_ahead
from ci.pipelines.elsewhere import Occupied
from ci.pipelines.kinds import BuilderKind, HostKind, SourceKind
from ci.pipelines.lane import Lane
from ci.pipelines.lanes import in_lanes
from ci.pipelines.plan import Plan
from ci.run import Run, Step
from ci.shard import WHOLE, Shard

STAGES = ("source", "build", "hosts", "deploy", "suites")
NOTHING_BUILT = Build(kind="none", revision="", rpms=())


def pipeline(run: Run, plan: Plan, *, until: str = "suites", shard: Shard = WHOLE) -> None:
    """Do the job, or a share of its suites, up to a stage.

    What fails is in the journal; only a stop is raised.
    """
    last = STAGES.index(until)
    wanted = shares(plan, shard) if last >= STAGES.index("hosts") else []
    with made_ahead(run, [host for host, _ in wanted], seconds=plan.limits.hosts):
        try:
            tree = _source(run, plan)
            build = _build(run, plan, tree) if last >= STAGES.index("build") else NOTHING_BUILT
        except Interrupted:
            raise
        except VirtciError:
            return
        occupied = Occupied()
        lanes = [Lane(run, plan, host, build, until, suites, occupied) for host, suites in wanted]
        in_lanes(lanes, Lane.go)


def shares(plan: Plan, shard: Shard) -> list[tuple[HostKind, tuple[Suite, ...]]]:
    """The hosts of a share with their suites in it; hosts without any are left out."""
    found = []
    for row, host in enumerate(plan.hosts):
        first = row * len(plan.suites)
        suites = tuple(s for number, s in enumerate(plan.suites, first) if shard.has(number))
        if suites or not plan.suites:
            found.append((host, suites))
    return found


def _source(run: Run, plan: Plan) -> Tree | None:
    if plan.source is None:
        return None
    return run.step("source", Tree, _fetch, plan.source, seconds=plan.limits.source)


def _fetch(step: Step, source: SourceKind) -> Tree:
    tree = source.fetch(step)
    step.say(f"{tree.revision}{' with uncommitted changes' if tree.dirty else ''}")
    return tree


def _build(run: Run, plan: Plan, tree: Tree | None) -> Build:
    if plan.build is None:
        return NOTHING_BUILT
    return run.step("build", Build, _make, plan.build, tree, seconds=plan.limits.build)


def _make(step: Step, builder: BuilderKind, tree: Tree | None) -> Build:
    build = builder.make(step, tree)
    step.say(" ".join(rpm.nevra for rpm in build.rpms if not rpm.debug))
    return build
