"""A deadline around each libvirt call, enforced by another thread, at a microsecond per call."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from ci.errors import ProductError

T = TypeVar("T")
TICK = 0.2
GRACE = 5.0  # seconds that a call gets to come back after its connection was shut
NEVER = float("inf")


class CallHung(ProductError):  # noqa: N818 - reads as what happened
    """A libvirt call did not return before its deadline and was ended from outside."""


class Rescuer(Protocol):
    """What is done from the watching thread about a call that hangs."""

    def release(self, call: str) -> str:
        """Gather evidence, make the call return, give the evidence back."""

    def stuck(self, call: str, seconds: float, evidence: str) -> None:
        """The call does not return even so: this process cannot go on."""


class Guard:
    """Watches the calls of one thread, one at a time."""

    def __init__(self, rescuer: Rescuer) -> None:
        self._rescuer = rescuer
        self._what = ""
        self._seconds = 0.0
        self._until = NEVER
        self._number = 0
        self._hung = 0  # the number of the call that was found hanging
        self._evidence = ""
        self._handled = threading.Event()
        threading.Thread(target=self._watch, name="guard", daemon=True).start()

    def call(self, what: str, seconds: float, function: Callable[..., T], *values: object) -> T:
        """``function(*values)``. Raises CallHung when it takes longer than ``seconds``."""
        self._number += 1
        self._what, self._seconds = what, seconds
        self._until = time.monotonic() + seconds
        try:
            return function(*values)
        finally:
            self._until = NEVER
            if self._hung == self._number:
                self._blame()

    def _blame(self) -> None:
        self._handled.wait()
        raise CallHung(
            f"{self._what} did not return within {self._seconds:g} s and was ended from outside",
            detail=self._evidence,
        ) from None

    def _watch(self) -> None:
        while True:
            time.sleep(TICK)
            number = self._number
            if time.monotonic() > self._until and self._hung != number:
                self._handle(number)

    def _handle(self, number: int) -> None:
        what, seconds = self._what, self._seconds
        self._handled.clear()
        self._hung = number
        try:
            self._evidence = self._rescuer.release(what)
        finally:
            self._handled.set()
        until = time.monotonic() + GRACE
        while self._until != NEVER and self._number == number:
            if time.monotonic() > until:
                self._rescuer.stuck(what, seconds, self._evidence)
                return
            time.sleep(TICK)
