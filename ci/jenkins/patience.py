"""Calls that outlive a controller's restart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from ci.deadline import Deadline, wait_until
from ci.jenkins.api import Away

T = TypeVar("T")
AWAY_SECONDS = 900.0
EVERY_SECONDS = 5.0


@dataclass(frozen=True)
class Found(Generic[T]):
    """An answer; None is one too."""

    answer: T


@dataclass(frozen=True)
class Patience:
    """How long a controller may be away, and who is told that it is."""

    deadline: Deadline
    tell: Callable[[str], None] = field(default=lambda _text: None)
    seconds: float = AWAY_SECONDS

    def ask(self, call: Callable[[Deadline], T]) -> T:
        """The answer of ``call``, a question that may be asked twice.

        Raises TimedOut when the controller stays away, and whatever else ``call`` raises.
        """
        told: list[str] = []

        def probe() -> Found[T] | None:
            try:
                return Found(call(self.deadline))
            except Away as away:
                if not told:
                    self.tell(f"{away.message}; waiting for it to come back")
                told.append(away.message)
                return None

        found = wait_until(
            "the controller to come back",
            probe,
            self.deadline.within(self.seconds),
            every=EVERY_SECONDS,
        )
        if told:
            self.tell("the controller is back")
        return found.answer
