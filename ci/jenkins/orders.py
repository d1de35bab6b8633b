"""Orders: parameters checked before they are sent, and found again when their queue id is lost."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

from ci.errors import UsageError
from ci.jenkins.seen import BuildState, Job, ParameterDefinition, QueueItem

TRUE = ("true", "yes", "on", "1")
FALSE = ("false", "no", "off", "0")


def parse(words: Iterable[str]) -> dict[str, str]:
    """``NAME=value`` words. Raises UsageError."""
    found: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise UsageError(f'"{word}" is no parameter', hint="write NAME=value")
        if name in found:
            raise UsageError(f'the parameter "{name}" is given twice')
        found[name] = value
    return found


def checked(job: Job, given: Mapping[str, str]) -> dict[str, str]:
    """``given`` as the job takes it.

    A controller answers a bad choice with an error without a reason, and drops a parameter it does
    not know without a word; so both are refused here. Raises UsageError.
    """
    known = {definition.name: definition for definition in job.parameters}
    return {name: _value(job, known, name, value) for name, value in given.items()}


def _value(job: Job, known: Mapping[str, ParameterDefinition], name: str, value: str) -> str:
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f'did you mean "{close[0]}"?' if close else f"it has: {', '.join(known) or 'none'}"
        raise UsageError(f'{job.full_name} has no parameter "{name}"', hint=hint)
    definition = known[name]
    if definition.choices is not None and value not in definition.choices:
        raise UsageError(
            f'{job.full_name}: "{value}" is no choice for {name}',
            hint=f"choices: {', '.join(definition.choices)}",
        )
    if definition.type == "BooleanParameterDefinition":
        return _boolean(job, name, value)
    return value


def _boolean(job: Job, name: str, value: str) -> str:
    if value.lower() not in TRUE + FALSE:
        raise UsageError(f'{job.full_name}: {name} is true or false, not "{value}"')
    return "true" if value.lower() in TRUE else "false"


def ours(
    builds: Iterable[BuildState], queue_id: int, wanted: Mapping[str, str], first: int
) -> BuildState | None:
    """The build that an order became: by its queue id, else by parameters: a build that runs while
    the controller restarts goes on under another id (recorded: 65 became 67).

    ``first`` is the job's next number at the time of the order. Of several that fit the oldest is
    taken.
    """
    candidates = _since(builds, first)
    by_id = [build for build in candidates if build.queue_id == queue_id]
    fitting = [build for build in candidates if _fits(build.parameters, wanted)]
    found = by_id or fitting
    return found[0] if found else None


def only(
    builds: Iterable[BuildState], items: Iterable[QueueItem], job_url_end: str, first: int
) -> BuildState | QueueItem | None:
    """What an order without parameters became, when its id is lost and there is just one answer."""
    queued = [item for item in items if item.task.url.endswith(job_url_end)]
    found: list[BuildState | QueueItem] = [*_since(builds, first), *queued]
    return found[0] if len(found) == 1 else None


def _since(builds: Iterable[BuildState], first: int) -> list[BuildState]:
    return sorted((b for b in builds if b.number >= first), key=lambda build: build.number)


def waiting(
    items: Iterable[QueueItem], job_url_end: str, wanted: Mapping[str, str]
) -> QueueItem | None:
    """The queued item of this job with these parameters, under whatever id."""
    for item in items:
        if item.task.url.endswith(job_url_end) and _fits(item.parameters, wanted):
            return item
    return None


def _fits(actual: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return bool(wanted) and all(actual.get(name) == value for name, value in wanted.items())
