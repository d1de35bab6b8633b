"""One iteration as it happens: every operation is timed, judged and written down."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cached_property
from random import Random

import libvirt

from ci.errors import ProductError, VirtciError
from ci.model import Outcome
from suites.stress.guest import Guest
from suites.stress.ledger import Ledger, Operation
from suites.stress.operations import OPERATIONS
from suites.stress.step import Step

UNSUPPORTED = (
    libvirt.VIR_ERR_NO_SUPPORT,
    libvirt.VIR_ERR_OPERATION_UNSUPPORTED,
    libvirt.VIR_ERR_CONFIG_UNSUPPORTED,
)
Problem = (VirtciError, libvirt.libvirtError)


class Play:
    """What a scenario gets: ``play("create")`` does and records an operation on the guest.

    ``random`` belongs to this iteration alone, so that it can be played again from its seed.
    """

    def __init__(self, guest: Guest, ledger: Ledger, *, number: int, seed: int) -> None:
        self.guest = guest
        self.number = number
        self.seed = seed
        self.steps: dict[str, float] = {}
        self._ledger = ledger

    @cached_property
    def random(self) -> Random:
        return Random(f"{self.seed}/{self.number}")

    def __call__(self, op: str, *, seconds: float = 0.0, mib: int = 0, vcpus: int = 0) -> None:
        self.step(Step(op=op, seconds=seconds, mib=mib, vcpus=vcpus))

    def step(self, step: Step) -> None:
        """Do one operation of the scenario. Raises what it raises, after writing it down."""
        self.do(step.op, OPERATIONS[step.op], self.guest, step)

    def do(self, op: str, act: Callable[..., None], *values: object) -> None:
        """Do anything as an operation: timed, judged, written down."""
        self.guest.host.go_on()
        start, began = time.time(), time.monotonic()
        outcome, message = Outcome.PASSED, ""
        try:
            act(*values)
        except Problem as problem:
            outcome, message = judge(problem), str(problem)
            raise
        finally:
            seconds = time.monotonic() - began
            self.steps[_label(op, self.steps)] = seconds
            self._record(op, start, seconds, outcome, message)

    def _record(
        self, op: str, start: float, seconds: float, outcome: Outcome, message: str
    ) -> None:
        guest = self.guest
        daemon = guest.host.daemon
        self._ledger.write(
            "op",
            op,
            Operation(
                iteration=self.number,
                guest=guest.name,
                op=op,
                seed=self.seed,
                seconds=seconds,
                outcome=outcome,
                daemon_pid=daemon.pid,
                daemon_start=daemon.start,
                domain_id=guest.domain_id,
                boot_id=guest.boot_id,
                message=message,
                start=round(start, 6),
            ),
        )


def judge(error: Exception) -> Outcome:
    """Who is to blame."""
    match error:
        case libvirt.libvirtError():
            code = error.get_error_code()
            return Outcome.UNSUPPORTED if code in UNSUPPORTED else Outcome.FAILED
        case ProductError():
            return Outcome.FAILED
        case _:
            return Outcome.BROKEN


def describe(error: Exception, guest: Guest) -> tuple[str, str]:
    """One sentence, and the evidence."""
    if isinstance(error, VirtciError):
        return error.message, error.detail or guest.evidence()
    after = f"after {guest.done[-1]}" if guest.done else "as the first call"
    return f"{error} ({after})", guest.evidence()


def _label(op: str, steps: dict[str, float]) -> str:
    """``alive``, then ``alive-2``: each step's seconds have a name of their own."""
    if op not in steps:
        return op
    number = 2
    while f"{op}-{number}" in steps:
        number += 1
    return f"{op}-{number}"
