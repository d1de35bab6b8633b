"""The one door to libvirt: every call has a deadline, is recorded, and is blamed for what it does.

``Session`` is a connection; it hands out ``Handle``s, which stand for libvirt's own objects and
have all their methods. Errors of libvirt come through as ``libvirt.libvirtError``; a call that
killed the daemon raises DaemonCrashed, one that did not return in time CallHung.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from typing import Any

import libvirt

from ci.errors import ProductError
from suites.hypervisor import daemon as daemons
from suites.hypervisor.calls import CRASHED, HUNG, OK, Recorder, argument_class
from suites.hypervisor.event_loop import run_event_loop
from suites.hypervisor.handle import Handle, unwrap, wrap
from suites.hypervisor.method import Method, method_of
from suites.hypervisor.watchdog import Pending, Watchdog

CRASH_GRACE = 3.0  # seconds from a broken connection to the end of a process that dumps its core
BROKEN_GRACE = 0.2  # the same for a connection that is found broken later


class DaemonCrashed(ProductError):  # noqa: N818 - reads as what happened
    """The daemon ended during or right after a call."""


class CallHung(ProductError):  # noqa: N818 - reads as what happened
    """A call did not return before its deadline and was ended from outside."""


class Session:
    """One connection. Not opened before ``open``; ``connection`` is its virConnect."""

    def __init__(
        self,
        uri: str,
        recorder: Recorder,
        watchdog: Watchdog,
        *,
        patience: float = 1.0,
        daemon_probe: tuple[str, ...] = (),
        daemon_backtrace: tuple[str, ...] = (),
    ) -> None:
        self.uri = uri
        self.recorder = recorder
        self.watchdog = watchdog
        self.patience = patience  # multiplies every deadline, for slow hosts
        self.daemon_probe = daemon_probe  # prints pid and start time of a daemon elsewhere
        self.daemon_backtrace = daemon_backtrace  # prints where the threads of that one stand
        self.daemon: daemons.Daemon | daemons.RemoteDaemon | None = None
        self.callbacks: dict[Callable[..., Any], Callable[..., Any]] = {}
        self.hung_on = 0  # the process that a call hung on last, if it runs on this machine
        self._blamed = False  # whether the death of this daemon has been told already
        self._sockets: tuple[int, ...] = ()
        self._before: daemons.Sockets = frozenset()  # sockets of others, from before it was opened
        self._others: frozenset[int] = frozenset()  # likewise each ssh of others
        self._transports: frozenset[int] = frozenset()
        self._connection: Handle | None = None

    @property
    def local(self) -> bool:
        """Whether the driver works on this machine's files: in this process or in a daemon here."""
        return isinstance(self.daemon, daemons.Daemon) or not self._sockets

    @property
    def wired(self) -> bool:
        """Whether the driver is reached over a socket, which can break."""
        return bool(self._sockets)

    def cut(self) -> None:
        """Break the connection under everybody who uses it."""
        daemons.shut(self._sockets)

    def alive(self) -> bool:
        """Whether the connection can still be used."""
        if self._connection is None or (self.daemon is not None and not self.daemon.alive()):
            return False
        return bool(self._connection.raw.isAlive())

    @property
    def connection(self) -> Handle:
        assert self._connection is not None, "the session is not open"
        return self._connection

    def open(self, *, read_only: bool = False) -> Handle:
        """Connect. Raises libvirt.libvirtError, CallHung, DaemonCrashed."""
        run_event_loop()
        name = "openReadOnly" if read_only else "open"
        self._before, self._others = daemons.open_sockets(), daemons.transports()
        self._connection = self.call(method_of(libvirt, name), getattr(libvirt, name), (self.uri,))
        new = daemons.fresh_sockets(self._before)
        self._sockets = tuple(os.dup(fd) for fd in new)
        self._transports = daemons.transports() - self._others
        self.daemon = daemons.identify(self._sockets) or self._remote_daemon()
        self._blamed, self.hung_on = False, 0
        return self.connection

    def _remote_daemon(self) -> daemons.RemoteDaemon | None:
        identity = daemons.ask(self.daemon_probe) if self.daemon_probe else ""
        if not identity:
            return None
        return daemons.RemoteDaemon(self.daemon_probe, identity, self.daemon_backtrace)

    def close(self) -> None:
        """Let go of the connection; never raises.

        Objects that somebody still holds keep it open, and the last of them would say good-bye to
        the daemon in a call that nobody watches: so the wire is cut.
        """
        if self._connection is not None:
            with contextlib.suppress(libvirt.libvirtError, ProductError):
                self._connection.close()
            daemons.shut(self._sockets)
        self._connection = None
        for fd in self._sockets:
            os.close(fd)
        self._sockets = ()
        if self.daemon is not None:
            self.daemon.close()
            self.daemon = None

    def call(self, method: Method, function: Callable[..., Any], values: tuple[Any, ...]) -> Any:
        """Call, bounded and recorded. What comes back is wrapped."""
        __tracebackhide__ = True  # of interest is who called, and to read each frame takes time
        plain = tuple(unwrap(value, self) for value in values)
        if not method.function:
            return wrap(function(*plain), self)
        self._blame_the_last()
        self.recorder.begin(method.function)
        pending = self.watchdog.begin(
            method.function, method.seconds * self.patience, self._release
        )
        outcome, cut, result, began = OK, False, None, time.monotonic()
        try:
            result = function(*plain)
            return wrap(result, self)
        except libvirt.libvirtError as error:
            outcome = error.get_error_code() or libvirt.VIR_ERR_INTERNAL_ERROR
            cut = error.get_error_domain() == libvirt.VIR_FROM_RPC and not self._answers()
            error.add_note(method.function)
            error.with_traceback(None)  # the note names the function of the binding
            raise
        finally:
            outcome = self._judge(pending, outcome, cut=cut)
            kind = argument_class(method.names, values)
            self.recorder.add(method.function, kind, outcome, time.monotonic() - began)
            self.recorder.trail.add(method.function, function, plain, result, outcome)
            if outcome in (HUNG, CRASHED):
                self.recorder.trail.end()
            self._blame(pending, method, kind, outcome)

    def _answers(self) -> bool:
        """An error about a wire may be about one that the daemon itself tried to use."""
        return self._connection is not None and bool(self._connection.raw.isAlive())

    def _judge(self, pending: Pending, outcome: int, *, cut: bool) -> int:
        if self.watchdog.end(pending):
            # netcat behind SSH keeps the line open when the daemon dies: that looks like a hang
            died = self.daemon is not None and not self.daemon.alive(wait_seconds=CRASH_GRACE)
            return CRASHED if died else HUNG
        if self.daemon is None:
            return outcome
        lives = self.daemon.alive(wait_seconds=CRASH_GRACE if cut else 0.0)
        return outcome if lives else CRASHED

    def _blame(self, pending: Pending, method: Method, kind: str, outcome: int) -> None:
        if outcome == HUNG:
            seconds = method.seconds * self.patience
            raise CallHung(
                f"{method.function}({kind}) did not return within {seconds:.0f} s",
                detail=pending.evidence,
            ) from None
        if outcome == CRASHED:
            self._blamed = True
            raise DaemonCrashed(f"{method.function}({kind}) {self._death()}") from None

    def _blame_the_last(self) -> None:
        if self.daemon is not None and not self.daemon.alive():
            self._blamed = True
            self.recorder.trail.end()
            raise DaemonCrashed(f"{self._death()} {self.recorder.since()}")

    def died_unseen(self) -> str:
        """How the daemon of a broken connection died after a call, if nobody was blamed for it."""
        if self._blamed or self.daemon is None or self.daemon.alive(wait_seconds=BROKEN_GRACE):
            return ""
        self._blamed = True
        self.recorder.trail.end()
        return f"{self._death()} {self.recorder.since()}"

    def _death(self) -> str:
        assert self.daemon is not None
        return f"crashed the daemon (process {self.daemon.pid})"

    def _release(self) -> str:
        """Say where the daemon stands, and end the call; one that opens has its socket already."""
        if self._connection is not None:
            return self._end_calls(self.daemon, self._sockets, self._transports)
        sockets = daemons.fresh_sockets(self._before)
        daemon = daemons.identify(sockets)
        try:
            return self._end_calls(daemon, sockets, daemons.transports() - self._others)
        finally:
            if daemon is not None:
                daemon.close()

    def _end_calls(
        self,
        daemon: daemons.Daemon | daemons.RemoteDaemon | None,
        sockets: tuple[int, ...],
        transports: frozenset[int],
    ) -> str:
        self.hung_on = daemon.pid if isinstance(daemon, daemons.Daemon) else 0
        evidence = daemons.stands(daemon, self.daemon_backtrace)
        daemons.shut(sockets)
        daemons.end_transports(transports)
        return evidence
