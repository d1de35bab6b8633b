"""What a plan wants done with its results: into the history, judged by a gate, people told.

All files are read before anything is touched. What goes wrong afterwards (a mail server, a
database) is the lab's trouble, is said, and changes no result: each part can be done again by its
own command.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ci.errors import InfraError, UsageError
from ci.gate.evidence import Evidence, of_run
from ci.gate.policy import Decision, Policy, decide, load_policy
from ci.history import ENVIRONMENT
from ci.notify.notify import notify, what_to_tell
from ci.notify.recipients import Recipients, load_recipients
from ci.notify.sender import Sender
from ci.pipelines.plan import LoadedPlan
from ci.report.results import RunResults

Say = Callable[[str], None]


@dataclass(frozen=True)
class Afterwards:
    """``history``: whether the run goes into the history; the others None when not wanted."""

    history: bool
    recipients: Recipients | None
    policy: Policy | None

    def publish(self, folder: Path, results: RunResults, say: Say) -> Decision | None:
        """Do all of it, in this order; give the gate's decision where there is a gate."""
        if self.history:
            _guarded("history", say, lambda: _import(folder, say))
        decision = self._judge(folder, self.policy, say) if self.policy is not None else None
        if self.recipients is not None:
            to = self.recipients
            _guarded("notify", say, lambda: _tell(folder, results, to, say))
        return decision

    def _judge(self, folder: Path, policy: Policy, say: Say) -> Decision:
        """Without the history more signatures are new, so that nothing passes by its absence."""
        evidence = of_run(folder)
        if self.history:
            try:
                evidence = _with_history(evidence)
            except InfraError as error:
                say(f"LAB gate: judged without the history: {error.message}")
        return decide(policy, evidence, datetime.now(tz=UTC).date())


def prepare(loaded: LoadedPlan) -> Afterwards:
    """Read what the plan's [report] names. Raises UsageError that names file, line and key.

    Without a word of the plan runs go into the history where ``VIRTCI_HISTORY`` names one.
    """
    wanted, base = loaded.plan.report, Path(loaded.path).parent
    named = bool(os.environ.get(ENVIRONMENT))
    recipients = load_recipients(base / wanted.notify) if wanted.notify else None
    return Afterwards(
        history=named if wanted.history is None else wanted.history,
        recipients=recipients,
        policy=load_policy(base / wanted.gate) if wanted.gate else None,
    )


def _with_history(evidence: Evidence) -> Evidence:
    from ci.gate.known import with_history  # noqa: PLC0415 - sqlalchemy takes half a second

    return with_history(evidence, os.environ.get(ENVIRONMENT, ""))


def _import(folder: Path, say: Say) -> None:
    from ci.history.database import opened  # noqa: PLC0415 - sqlalchemy takes half a second
    from ci.history.importer import Importer  # noqa: PLC0415

    with opened(os.environ.get(ENVIRONMENT, "")) as history:
        what = Importer(history).run(folder)
        say(f"history     {what} in {history.name}")


def _tell(folder: Path, results: RunResults, to: Recipients, say: Say) -> None:
    found = what_to_tell(folder, results)
    if found.news is None:
        say(f"notify      nobody: {found.why}")
        return
    told = notify(folder, results, found, to, _sender())
    for one in told:
        say(f"notify      {one.recipient}: {one.state}{f' ({one.why})' if one.why else ''}")
    if not told:
        say(f"notify      nobody wants to hear of {found.news}")
    if any(one.state == "failed" for one in told):
        raise InfraError("not everybody was told", hint=f"virtci notify {folder} --to FILE")


def _sender() -> Sender:
    from ci.notify.sender import send  # noqa: PLC0415 - apprise takes a second

    return send


def _guarded(what: str, say: Say, do: Callable[[], None]) -> None:
    try:
        do()
    except (InfraError, UsageError) as error:
        hint = f"; what to do: {error.hint}" if error.hint else ""
        say(f"LAB {what}: {error.message}{hint}")
