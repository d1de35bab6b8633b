"""Lockable resources, made and taken away.

Their plugin lets nobody make one from outside, so the controller's script console does it: a script
of our own whose only variable parts are quoted names. That takes the permission to administer.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files

from ci.deadline import Deadline
from ci.errors import InfraError, UsageError
from ci.jenkins.api import Refused
from ci.jenkins.change import Listing
from ci.jenkins.controller import Controller
from ci.jenkins.facts import mark_of
from ci.jenkins.pipeline import groovy
from ci.jenkins.wanted import Lock, Wanted

DONE = "virtci: done"
FORBIDDEN = 403


def write(controller: Controller, lock: Lock, deadline: Deadline) -> None:
    """Make the resource, or give one that is there these labels; whoever holds it keeps it."""
    _run(controller, lock.name, " ".join(lock.labels), lock.description, deadline)


def remove(controller: Controller, name: str, deadline: Deadline) -> None:
    """Take it away; one that a build holds stays, and so does one without our mark."""
    _run(controller, name, "", "", deadline)


def doomed(want: Wanted, there: Listing) -> tuple[str, ...]:
    """The resources of these plans that carry our mark."""
    return tuple(
        lock.name
        for lock in want.locks
        if lock.name in there.locks and mark_of(there.locks[lock.name].description)
    )


def remove_all(controller: Controller, names: Iterable[str], deadline: Deadline) -> None:
    for name in names:
        remove(controller, name, deadline)


def script(name: str, labels: str, description: str) -> str:
    values = f"[{groovy(name)}, {groovy(labels)}, {groovy(description)}]"
    text = (files("ci.jenkins") / "lock.groovy").read_text(encoding="utf-8")
    return f"def (name, labels, description) = {values}\n{text}"


def _run(
    controller: Controller, name: str, labels: str, description: str, deadline: Deadline
) -> None:
    try:
        said = controller.script(script(name, labels, description), deadline)
    except Refused as refused:
        if refused.status != FORBIDDEN:
            raise
        raise UsageError(
            f"{controller.door.login.user} may not make the lockable resource {name}",
            hint="an administrator adds it under Manage Jenkins, System, Lockable Resources",
        ) from None
    if DONE not in said:
        first = said.strip().partition("\n")[0]
        raise InfraError(f"the lockable resource {name}: {first[:200] or 'no answer'}", detail=said)
