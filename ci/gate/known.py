"""What the history knows of a plan's failures, for a gate."""

from __future__ import annotations

from pathlib import Path

from msgspec import structs

from ci.gate.evidence import Evidence
from ci.history.database import opened
from ci.history.queries import known_signatures


def with_history(evidence: Evidence, database: str) -> Evidence:
    """The evidence with the signatures of older runs in the history ("": the default one).

    What the runs under judgement have shown is no excuse for them. Raises InfraError.
    """
    plan = Path(evidence.runs[0].header.plan).stem
    before = min(run.started for run in evidence.runs)
    with opened(database) as history, history.reading() as connection:
        known = known_signatures(connection, plan=plan, before=before)
    return structs.replace(evidence, known=evidence.known | known)
