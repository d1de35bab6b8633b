"""One step of a scenario."""

from __future__ import annotations

from ci.model import Record


class Step(Record, frozen=True, kw_only=True):
    """One operation with its numbers; each operation says which it uses.

    With ``times`` it is done as often, one after the other.
    """

    op: str
    seconds: float = 0.0
    mib: int = 0
    vcpus: int = 0
    times: int = 1
