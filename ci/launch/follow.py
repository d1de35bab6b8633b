"""Reading a ledger while another process writes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from ci.journal import Event

_decoder = msgspec.json.Decoder(Event)


class Follower:
    """Gives each whole line of a ledger once, as it appears."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def new(self) -> Iterator[Event]:
        """The events since the last call; a half-written line waits for its end."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._offset += len(line)
                event = _decoder.decode(line)
                yield msgspec.structs.replace(event, data=msgspec.Raw(bytes(event.data)))
