"""Which host of a pool: surveyed together, leased one by one, waited for in a fair queue."""

from __future__ import annotations

import os
import pwd
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ci.deadline import Deadline
from ci.deploy import strikes
from ci.deploy.health import Health, check
from ci.deploy.lease import Lease, Leases, Waiting
from ci.deploy.pool import PooledHost
from ci.deploy.require import compiled, matches
from ci.deploy.sshshell import SshShell
from ci.errors import InfraError, Interrupted, TimedOut, UsageError, VirtciError

SURVEY_SECONDS = 60.0
POLL_SECONDS = 3.0
LANES = 16


@dataclass(frozen=True)
class Surveyed:
    """One host as it was found. ``why_not`` is empty when it may be leased; ``unseen`` when this
    user could not look at it."""

    host: PooledHost
    health: Health
    why_not: str = ""
    unseen: bool = False


@dataclass
class Candidate:
    """A host that may be leased, and our place in its queue."""

    host: PooledHost
    shell: SshShell
    ticket: int = 0
    said: str = ""


def owner() -> str:
    """Who we are, for other people: user, machine and process."""
    return f"{pwd.getpwuid(os.getuid()).pw_name}@{socket.gethostname()}:{os.getpid()}"


def survey(
    hosts: Sequence[PooledHost],
    requirement: str,
    hosts_file: Path,
    deadline: Deadline,
    *,
    counts: bool = True,
) -> list[Surveyed]:
    """Look at every host at once. Where it ``counts``, a sick one gets a strike and a fit one loses
    those it had. What this user lacks, such as a key, is not held against a host."""
    if requirement.strip():
        compiled(requirement)
    known = strikes.standings(hosts_file)

    def look(host: PooledHost) -> Surveyed:
        standing = known.get(host.name, strikes.Standing())
        if standing.quarantined:
            return Surveyed(host, Health(host=host.name, problems=()), standing.said())
        found = _looked_at(host, requirement, deadline.within(SURVEY_SECONDS))
        if counts and found.health.problems:
            strikes.strike(hosts_file, host.name, found.health.problems[0], at=time.time())
        elif counts and found.health.facts:
            strikes.well(hosts_file, host.name)
        return found

    with ThreadPoolExecutor(LANES) as pool:
        return list(pool.map(look, hosts))


def _looked_at(host: PooledHost, requirement: str, deadline: Deadline) -> Surveyed:
    try:
        health = health_of(host, deadline)
    except UsageError as error:
        nothing = Health(host=host.name, problems=())
        return Surveyed(host, nothing, f"not looked at: {error.message}", unseen=True)
    if health.problems:
        return Surveyed(host, health, f"sick: {health.problems[0]}")
    if not matches(requirement, health.traits((*host.labels, host.hypervisor, host.name))):
        return Surveyed(host, health, "does not fit the requirement")
    return Surveyed(host, health)


def health_of(host: PooledHost, deadline: Deadline) -> Health:
    """A host's health over a connection of its own. Raises UsageError: what this user lacks."""
    try:
        with SshShell(host.ssh(Path()).target()) as shell:
            return check(shell, host.hypervisor, deadline)
    except UsageError:
        raise
    except VirtciError as error:
        return Health(host=host.name, problems=(error.message,))


def lease_one(
    found: Sequence[Surveyed],
    *,
    purpose: str,
    seconds: int,
    deadline: Deadline,
    say: Callable[[str], None],
) -> tuple[PooledHost, Lease]:
    """Lease the first of the fitting hosts that becomes free; wait in all their queues.

    Raises InfraError when none fits, TimedOut when none became free in time.
    """
    fitting = [each for each in found if not each.why_not]
    if not fitting:
        reasons = "\n".join(f"{each.host.name}: {each.why_not}" for each in found)
        raise InfraError(
            "no host of the pool fits", hint="virtci hosts list shows what they are", detail=reasons
        )
    candidates = [Candidate(x.host, SshShell(x.host.ssh(Path()).target())) for x in fitting]
    try:
        return _wait(candidates, purpose=purpose, seconds=seconds, deadline=deadline, say=say)
    finally:
        for candidate in candidates:
            _leave(candidate)


def _wait(
    candidates: list[Candidate],
    *,
    purpose: str,
    seconds: int,
    deadline: Deadline,
    say: Callable[[str], None],
) -> tuple[PooledHost, Lease]:
    while True:
        for candidate in candidates:
            answer = _ask(candidate, purpose, seconds, deadline, say)
            if isinstance(answer, Lease):
                candidate.ticket = 0
                return candidate.host, answer
        if deadline.stopped():
            raise Interrupted("stopped while waiting for a host")
        if deadline.expired():
            states = "\n".join(f"{each.host.name}: {each.said}" for each in candidates)
            raise TimedOut("no host of the pool became free in time", detail=states)
        deadline.clock.sleep(min(POLL_SECONDS, max(0.01, deadline.remaining())))


def _ask(
    candidate: Candidate,
    purpose: str,
    seconds: int,
    deadline: Deadline,
    say: Callable[[str], None],
) -> Lease | None:
    """One look at one host; one that cannot be asked now is asked again later."""
    try:
        answer = Leases(candidate.shell).ask(
            owner=owner(),
            purpose=purpose,
            seconds=seconds,
            deadline=Deadline.after(SURVEY_SECONDS, deadline.clock, deadline.stop),
            ticket=candidate.ticket,
        )
    except InfraError as error:
        said = error.message
    else:
        if isinstance(answer, Lease):
            return answer
        candidate.ticket = answer.ticket
        said = _told(answer)
    if said.split(", ")[0] != candidate.said.split(", ")[0]:
        say(f"{candidate.host.name}: {said}")
    candidate.said = said
    return None


def _told(waiting: Waiting) -> str:
    before = f"{waiting.ahead} before us" if waiting.ahead else "we are next"
    if waiting.holder is None:
        return f"free, {before}"
    held = waiting.holder
    purpose = f" for {held.purpose}" if held.purpose else ""
    return f"held by {held.owner}{purpose}, {before}, {held.seconds_left:.0f} s to its heartbeat"


def _leave(candidate: Candidate) -> None:
    with suppress(VirtciError):
        if candidate.ticket:
            Leases(candidate.shell).leave(candidate.ticket, Deadline.after(SURVEY_SECONDS))
    candidate.shell.close()
