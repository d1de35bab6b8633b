"""What a check says."""

from __future__ import annotations

import enum

from ci.model import Record


class State(enum.StrEnum):
    GOOD = "good"
    LIMITED = "limited"
    MISSING = "missing"


class Finding(Record, frozen=True, kw_only=True):
    """``needed``: the main job cannot be done without it; ``cure``: a command or advice."""

    what: str
    state: State
    text: str
    cure: str = ""
    needed: bool = True
