"""A case that counts what everybody makes has the connection to itself, also beside workers."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MARK = "alone"  # with a word: apart from other cases with that word only


@contextmanager
def room(place: Path, *, alone: bool) -> Iterator[None]:
    """Hold ``place`` together with other cases, or alone.

    Everybody goes through a door first, so that who waits to be alone is not overtaken for ever.
    """
    with Path(f"{place}.room").open("w") as inside:
        with Path(f"{place}.door").open("w") as door:
            fcntl.flock(door, fcntl.LOCK_EX)
            fcntl.flock(inside, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
