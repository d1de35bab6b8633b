"""Names of our own: nobody else's begin like them, and no two runs have one in common."""

from __future__ import annotations

import itertools
import secrets

PREFIX = "virtci-tck-"


class Names:
    """The names that one worker gives; ``kept`` are those of objects that outlive a case."""

    def __init__(self, worker: str) -> None:
        self.worker = worker
        self.kept: set[str] = set()
        self._numbers = itertools.count(1)
        self.begin_anew()

    def begin_anew(self) -> None:
        """Take names that no earlier run had, nor this one before its daemon died: a domain that
        was half made then can hold its name although nobody lists it."""
        self._mark = secrets.token_hex(2)
        self.kept.clear()

    @property
    def prefix(self) -> str:
        """What our names begin with. Parallel workers keep apart; alone one sweeps for all."""
        return f"{PREFIX}{self.worker}-" if self.worker != "0" else PREFIX

    @property
    def octet(self) -> int:
        """The third part of our networks' addresses, apart from those of other workers."""
        return 71 + int(self.worker.removeprefix("gw") or 0) % 150

    def number(self) -> int:
        """One that was not given before."""
        return next(self._numbers)

    def new(self) -> str:
        """A name that nobody else has."""
        return self.called(str(self.number()))

    def called(self, what: str) -> str:
        """The one name of a ``what`` as long as the connection holds."""
        return f"{PREFIX}{self.worker}-{self._mark}-{what}"

    def keep(self, what: str) -> str:
        """The name of a ``what`` that is not swept after a case."""
        name = self.called(what)
        self.kept.add(name)
        return name
