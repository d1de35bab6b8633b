"""The one word that a knob's process says, once, when it works from now on."""

from __future__ import annotations

WORD = b"on"


def say_on() -> None:
    """The loop waits for this before it begins."""
    print(WORD.decode(), flush=True)  # noqa: T201 - the loop reads it
