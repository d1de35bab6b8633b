"""Where the crashes of one suite on one host lie, and where what is known of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ci.model import Looked
from ci.report.results import CRASHES

NOTHING_SEEN = Looked()


@dataclass(frozen=True)
class Place:
    """Whose crashes: one suite on one host, with where its ledger and its evidence lie."""

    run_folder: Path
    host: str
    suite: str
    where: str = ""  # the machine that the work was done on, when it is another one
    found: Looked = NOTHING_SEEN  # what a look behind it saw

    @property
    def ledger(self) -> Path:
        return self.run_folder / "suites" / self.host / self.suite / "ledger.jsonl"

    @property
    def crashes(self) -> Path:
        """The ledger of the crashes, which reports take for a suite."""
        return self.run_folder / "suites" / self.host / (self.suite + CRASHES) / "ledger.jsonl"

    @property
    def evidence(self) -> Path:
        return self.run_folder / "evidence" / (self.where or self.host) / self.suite
