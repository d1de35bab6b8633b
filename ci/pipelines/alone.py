"""A suite that a command runs on one connection: what it dies of is told without a plan, too.

What a daemon of this machine left is gathered and explained as a run does it for its hosts; what
one behind SSH left is fetched over the SSH of its URI. Of one that is reached otherwise only what
the suite itself saw is known: a command is given no way in to its files.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ci.crash.rpms import build_of
from ci.deadline import Deadline
from ci.deploy.corekeeper import keeping_cores
from ci.deploy.evidence import gather, mark
from ci.deploy.newcores import look_for_cores, look_for_cores_at
from ci.deploy.urievidence import gather_at, mark_at
from ci.deploy.uriremote import UriRemote
from ci.launch.target import SuiteEnd, Target
from ci.model import Access, Looked
from ci.pipelines.crashes import Explained, explain_failures, is_unread, step_name
from ci.pipelines.looked import looked, note_look
from ci.pipelines.target import is_local
from ci.run import Run

MARK_SECONDS = 30.0
LOOK_SECONDS = 30.0
EVIDENCE_SECONDS = 60.0
FETCH_SECONDS = 240.0  # over a wire
EXPLAIN_SECONDS = 600.0
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@contextmanager
def watched(run: Run, target: Target, suite: str) -> Iterator[None]:
    """Note what is there before the suite; on this machine keep the cores that come meanwhile."""
    folder = _evidence(run, target, suite)
    if not is_local(target.uri):
        if target.host_shell:
            mark_at(UriRemote(target.host_shell), folder, Deadline.after(MARK_SECONDS))
        yield
        return
    access = _access(target)
    mark(access, folder, Deadline.after(MARK_SECONDS))
    with keeping_cores(access, folder):
        yield


def explain_after(
    run: Run,
    target: Target,
    end: SuiteEnd,
    *,
    lasts: bool,
    packages: Path | None = None,
    known: str = "",
) -> Explained | None:
    """Name what the suite's failures died of, and what died without failing any case.

    ``lasts``: the suite restarts no daemon. None when nothing failed and nothing died.
    """
    before = looked(run, target.host, end.suite)
    found = before if before and not before.trouble else _look(run, target, end.suite)
    told = found is before and not is_unread(run, target.host, end.suite, died=found.died)
    if end.failed or ((found.cores or (lasts and found.replaced)) and not told):
        _gather(run, target, end.suite)
    if found is not before:
        found = note_look(run, target.host, end.suite, found, lasts=lasts)
    if not end.failed and (told or not found.died):
        return None
    build = build_of(packages, Deadline.after(EXPLAIN_SECONDS)) if packages else None
    return run.step(
        step_name(target.host, end.suite),
        Explained,
        explain_failures,
        target.host,
        end.suite,
        known,
        beside=(build, "", found),
        still_good=lambda _: False,  # it is read anew whenever there is new evidence
        seconds=EXPLAIN_SECONDS,
    )


def _look(run: Run, target: Target, suite: str) -> Looked:
    """Whether one of our programs left a core there while the suite ran."""
    folder, deadline = _evidence(run, target, suite), Deadline.after(LOOK_SECONDS)
    if is_local(target.uri):
        return look_for_cores(_access(target), folder, deadline)
    host = UriRemote(target.host_shell) if target.host_shell else None
    return look_for_cores_at(host, folder, deadline)


def _gather(run: Run, target: Target, suite: str) -> None:
    folder = _evidence(run, target, suite)
    if is_local(target.uri):
        gather(_access(target), folder, Deadline.after(EVIDENCE_SECONDS))
    elif target.host_shell:
        host = UriRemote(target.host_shell)
        gather_at(host, target.hypervisor, folder, Deadline.after(FETCH_SECONDS))


def _evidence(run: Run, target: Target, suite: str) -> Path:
    return run.folder / "evidence" / target.host / suite


def _access(target: Target) -> Access:
    return Access(
        name=target.host,
        address="",
        port=0,
        user="",
        key="",
        known_hosts="",
        hypervisor=target.hypervisor,
        uri=target.uri,
        boot_id=BOOT_ID.read_text().strip(),
    )
