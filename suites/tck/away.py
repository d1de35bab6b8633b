"""A daemon that answers nobody is waited for once, not in every case: the others are broken."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import libvirt

from ci.deadline import Deadline
from ci.errors import InfraError, VirtciError
from suites.hypervisor.daemon import BACKTRACE_SECONDS, stopped_at_last

RESTART_SECONDS = 30.0
IN_VAIN_SECONDS = 120.0
POLL_SECONDS = 0.2


class Away:
    """Counts what was spent on connections that could not be made, since the last one that was."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._spent = 0.0
        self._last = ""

    def seconds(self) -> float:
        """How long to wait for a daemon that is started again, or goes on after a stop."""
        return 0.0 if self._last else RESTART_SECONDS * self._patience

    @contextmanager
    def attempt(self, hung_on: int = 0) -> Iterator[None]:
        """One attempt to connect; the last call may have hung on the process ``hung_on``.

        Raises InfraError instead when it would be in vain.
        """
        began = time.monotonic()
        try:
            self._hopeful(hung_on)
            yield
        except (libvirt.libvirtError, VirtciError) as error:
            self._spent += time.monotonic() - began
            self._last = self._last or str(error)
            raise
        self._spent, self._last = 0.0, ""

    def _hopeful(self, hung_on: int) -> None:
        until = time.monotonic() + self.seconds()
        while said := _stopped(hung_on):
            if time.monotonic() >= until:
                raise InfraError(f"{said}, and answers nobody", hint=f"kill -CONT {hung_on}")
            time.sleep(POLL_SECONDS)
        if self._spent > IN_VAIN_SECONDS * self._patience:
            raise InfraError(f"the connection is gone and is not tried any more: {self._last}")


def _stopped(pid: int) -> str:
    """A sentence when it is, and no debugger of others hides that just now."""
    return stopped_at_last(pid, Deadline.after(BACKTRACE_SECONDS)).strip()
