"""A share of a plan's work: ``--shard 2/8`` is the second of eight."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ci.errors import UsageError


@dataclass(frozen=True, slots=True)
class Shard:
    """Every ``count``-th unit, beginning with the ``index``-th (from 1)."""

    index: int = 1
    count: int = 1

    def has(self, position: int) -> bool:
        """Whether the unit at ``position`` (from 0) is in this share; each is in exactly one."""
        return position % self.count == self.index - 1

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


WHOLE = Shard()


def parse_shard(text: str) -> Shard:
    """``i/n`` with 1 <= i <= n. Raises UsageError."""
    found = re.fullmatch(r"(\d{1,5})/(\d{1,5})", text.strip())
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise UsageError(f'--shard "{text}": expected i/n, such as 2/8')
    return Shard(int(found[1]), int(found[2]))
