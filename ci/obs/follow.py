"""The build log as it grows, shown between the changes of state."""

from __future__ import annotations

from dataclasses import dataclass

from ci.obs import queries
from ci.obs.door import Door
from ci.obs.target import Package, Place
from ci.run import Step

MOST_LINES = 200  # at a time; what is older is in the whole log


@dataclass
class LogFollower:
    """Shows what is new in the log of one build."""

    door: Door
    step: Step
    package: Package
    place: Place
    seen: int = 0
    rest: bytes = b""

    def say(self, text: str) -> None:
        """Show a change of state, after what the log has of the state before."""
        self.show()
        self.step.say(text)
        if ": building" in text or ": scheduled" in text:
            self.seen, self.rest = 0, b""

    def show(self) -> None:
        """Show the whole lines that are new."""
        new = queries.log_from(
            self.door, self.step.deadline, self.package, self.place, start=self.seen
        )
        self.seen += len(new)
        *lines, self.rest = (self.rest + new).split(b"\n")
        for line in lines[-MOST_LINES:]:
            self.step.say(line.decode(errors="replace"))
