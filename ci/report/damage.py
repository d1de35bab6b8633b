"""What a run's files hold that virtci did not write so: told in one sentence, with the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from ci.errors import InfraError


@contextmanager
def damage_named(path: Path) -> Iterator[None]:
    """A record in the file that does not fit becomes an InfraError which names the file."""
    try:
        yield
    except msgspec.MsgspecError as error:
        raise InfraError(
            f"{path} is damaged ({error})",
            hint="restore the file from a copy, or start the run anew",
        ) from None
