"""That somebody looked for new cores behind a suite, as the run's journal keeps it.

A daemon that dies while no call waits for it, and is started again, fails no case: only its core
tells. A run that was cut before the look still has to take it when it goes on.
"""

from __future__ import annotations

import msgspec

from ci.codec import from_json
from ci.journal import read
from ci.model import Looked
from ci.run import Run

LOOKED = "looked"  # an event of the run's journal


def looked(run: Run, host: str, suite: str) -> Looked | None:
    """What the last look found; None when nobody has looked yet."""
    name, last = _name(host, suite), None
    for event in read(run.journal.path):
        if event.what == LOOKED and event.name == name:
            last = event
    return from_json(last.data, Looked) if last else None


def note_look(run: Run, host: str, suite: str, found: Looked, *, lasts: bool) -> Looked:
    """Keep it, and say what is news: a look that found nothing is none.

    ``lasts``: the suite restarts no daemon, so that one that is another than before has died; of
    other suites that is only said.
    """
    kept = found if lasts else msgspec.structs.replace(found, replaced=())
    run.note(LOOKED, _name(host, suite), kept)
    for core in found.cores:
        run.watcher.said(_step(host, suite), f"{core.program} (process {core.pid}) left a core")
    for one in found.replaced:
        doubt = "" if lasts else "; whether the suite asked for that is not known"
        run.watcher.said(_step(host, suite), one.sentence() + doubt)
    if found.trouble:
        why = f"nobody could look whether a daemon left a core: {found.trouble}"
        run.watcher.said(_step(host, suite), why)
    return kept


def _name(host: str, suite: str) -> str:
    return f"{host}/{suite}"


def _step(host: str, suite: str) -> str:
    return f"suites/{_name(host, suite)}"
