"""Telling everybody who wants to know, never twice of one run, also after a crash or a resume.

What was sent is in ``notifications.jsonl`` in the run's folder. An attempt is written before it is
made: when its end is not known, it is not made again.
"""

from __future__ import annotations

import time
from pathlib import Path

from ci.errors import InfraError, UsageError
from ci.journal import Event, Journal, read
from ci.model import Record
from ci.notify.decision import Decided, decide
from ci.notify.message import Message, compose
from ci.notify.recipients import Recipient, Recipients
from ci.notify.sender import Sender
from ci.report.compare import finished_before
from ci.report.results import RunResults

FILE = "notifications.jsonl"
LOOKED_AT = 40


class Told(Record, frozen=True, kw_only=True):
    """What became of one recipient: sent, failed, or left alone; and why."""

    recipient: str
    state: str
    why: str = ""


def what_to_tell(folder: Path, run: RunResults) -> Decided:
    """Whether a run is worth a message, against the runs beside it."""
    return decide(run, list(finished_before(folder, run, LOOKED_AT)))


def notify(
    folder: Path, run: RunResults, decided: Decided, to: Recipients, send: Sender
) -> list[Told]:
    """Tell all who want to know. One who cannot be reached keeps nobody else from being told."""
    wanting = [one for one in to.recipients if one.wants(decided, Path(run.header.plan).stem)]
    if not wanting:
        return []
    message = compose(run, decided, to.link)
    journal = Journal(folder / FILE)
    try:
        before = {event.name: event.what for event in read(journal.path)}
        return [_tell(journal, one, message, before.get(one.name, ""), send) for one in wanting]
    finally:
        journal.close()


def _tell(journal: Journal, one: Recipient, message: Message, before: str, send: Sender) -> Told:
    if before == "sent":
        return Told(recipient=one.name, state="left alone", why="was told of this run already")
    if before == "sending":
        why = "was perhaps told already: virtci was cut while it sent"
        return Told(recipient=one.name, state="left alone", why=why)
    try:
        url = one.url()
        journal.append(Event(at=time.time(), what="sending", name=one.name))
        send(url, message)
    except (InfraError, UsageError) as error:
        journal.append(Event(at=time.time(), what="failed", name=one.name))
        return Told(recipient=one.name, state="failed", why=error.message)
    journal.append(Event(at=time.time(), what="sent", name=one.name))
    return Told(recipient=one.name, state="sent")
