"""The connection that is stressed: guarded calls, events as they come, the daemon behind it.

libvirt's event loop is turned by the thread that waits for something (``Connection.wait``), so
nothing polls and nothing is handed from thread to thread.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import cache
from typing import Any

import libvirt

from ci.errors import InfraError, ProductError
from suites.hypervisor import daemon as daemons
from suites.stress.guard import CallHung, Guard

LIFECYCLE = (
    "defined", "undefined", "started", "suspended", "resumed", "stopped", "shutdown",
    "pmsuspended", "crashed",
)  # fmt: skip
# how it came to that, by libvirt's own numbers; the others' details say nothing that matters here
DETAILS = {
    "started": ("booted", "migrated", "restored", "snapshot", "wakeup"),
    "suspended": (
        "paused", "migrated", "ioerror", "watchdog", "restored", "snapshot", "api-error",
        "postcopy", "postcopy-failed",
    ),
    "stopped": ("shutdown", "destroyed", "crashed", "migrated", "saved", "failed", "snapshot"),
}  # fmt: skip
KEEPALIVE_EVERY, KEEPALIVE_COUNT = 5, 6  # seconds; questions that may stay unanswered
LONGEST_TURN = 1.0  # seconds until a signal or a dead connection is seen at the latest
BROKEN = (libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_ERR_RPC)
EventSink = Callable[[str, str], None]


class DaemonDied(ProductError):  # noqa: N818 - reads as what happened
    """The connection broke during a call: the daemon behind it is gone, or cut it."""


_ready: list[int] = []


def start_event_loop() -> int:
    """Prepare libvirt's event loop, once per process; give back the timer that bounds waits."""
    if not _ready:
        libvirt.registerErrorHandler(lambda _context, _error: None, None)  # errors are raised
        libvirt.virEventRegisterDefaultImpl()
        _ready.append(libvirt.virEventAddTimeout(-1, lambda *_: None, None))
    return _ready[0]


class Connection:
    """One open connection. ``sink`` is told (domain, event) in the order of arrival."""

    def __init__(
        self,
        uri: str,
        guard: Guard,
        sink: EventSink,
        *,
        call_seconds: float,
        daemon_backtrace: tuple[str, ...] = (),
    ) -> None:
        self.uri = uri
        self.guard = guard
        self.call_seconds = call_seconds
        self.daemon_backtrace = daemon_backtrace
        self.daemon: daemons.Daemon | None = None
        self._sink = sink
        self._timer = start_event_loop()
        self._sockets: tuple[int, ...] = ()
        self._before: daemons.Sockets = frozenset()  # sockets of others, from before it was opened
        self._others: frozenset[int] = frozenset()  # likewise each ssh of others
        self._transports: frozenset[int] = frozenset()
        self._callbacks: tuple[int, ...] = ()
        self._unanswered = False  # closed by ourselves, since the daemon did not say that it lives
        self._raw: Any = None

    def open(self) -> None:
        """Connect and subscribe to events. Raises InfraError when the hypervisor is not there,
        CallHung when it does not answer."""
        self._before, self._others = daemons.open_sockets(), daemons.transports()
        try:
            self._raw = self.guard.call("virConnectOpen", self.call_seconds, libvirt.open, self.uri)
        except libvirt.libvirtError as error:
            raise InfraError(
                f"cannot connect to {self.uri}: {error.get_error_message()}",
                hint=f"try: virsh -c '{self.uri}' list",
            ) from None
        self._sockets = tuple(os.dup(fd) for fd in daemons.fresh_sockets(self._before))
        self._transports = daemons.transports() - self._others
        self.daemon = daemons.identify(self._sockets)
        self._subscribe()

    def _subscribe(self) -> None:
        register = self._raw.domainEventRegisterAny
        lifecycle, reboot = (
            libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE,
            libvirt.VIR_DOMAIN_EVENT_ID_REBOOT,
        )
        self._callbacks = (
            self.call(register, None, lifecycle, self._lifecycle, None),
            self.call(register, None, reboot, self._reboot, None),
        )
        with contextlib.suppress(libvirt.libvirtError):  # drivers in this process have no wire
            self.call(self._raw.setKeepAlive, KEEPALIVE_EVERY, KEEPALIVE_COUNT)
            self.call(self._raw.registerCloseCallback, self._closed, None)

    def _closed(self, _: Any, reason: int, __: Any) -> None:
        self._unanswered = reason == libvirt.VIR_CONNECT_CLOSE_REASON_KEEPALIVE

    def _lifecycle(self, _: Any, domain: Any, event: int, detail: int, __: Any) -> None:
        self._sink(domain.name(), event_name(event, detail))

    def _reboot(self, _: Any, domain: Any, __: Any) -> None:
        self._sink(domain.name(), "rebooted")

    @property
    def raw(self) -> Any:
        """The virConnect; its methods go through ``call``."""
        return self._raw

    def call(self, method: Callable[..., Any], *values: object, seconds: float = 0.0) -> Any:
        """One libvirt call. Raises CallHung, DaemonDied, libvirt.libvirtError."""
        try:
            return self.guard.call(method.__name__, seconds or self.call_seconds, method, *values)
        except libvirt.libvirtError as error:
            self._is_daemon_there(method, error)
            raise

    def call_aside(self, method: Callable[..., Any], *values: object, seconds: float) -> Any:
        """A long call on this or another connection; meanwhile libvirt's event loop turns.

        A daemon closes a connection that leaves its keep-alive unanswered for half a minute, and
        the event loop answers for those that no call is made on. Raises as ``call`` does.
        """
        made: Future[Any] = Future()

        def make() -> None:
            try:
                made.set_result(method(*values))
            except Exception as error:  # noqa: BLE001 - raised where the result is asked for
                made.set_exception(error)

        threading.Thread(target=make, name=method.__name__, daemon=True).start()
        if not self.wait(method.__name__, made.done, seconds):
            message = f"{method.__name__} did not return within {seconds:g} s"
            raise CallHung(f"{message} and was ended from outside", detail=self.release())
        try:
            return made.result()
        except libvirt.libvirtError as error:
            self._is_daemon_there(method, error)
            raise

    def _is_daemon_there(self, method: Callable[..., Any], error: libvirt.libvirtError) -> None:
        """Raise DaemonDied when that is what the error of a call is about."""
        if error.get_error_code() in BROKEN and not self._raw.isAlive():
            raise self._broken(f"{method.__name__}: {error.get_error_message()}") from None

    def _broken(self, message: str) -> ProductError:
        """How the connection broke: a daemon that hangs does not answer, a dead one hangs up."""
        if not self._unanswered:
            return DaemonDied(message)
        seconds = KEEPALIVE_EVERY * KEEPALIVE_COUNT
        return CallHung(
            f"keepalive did not return within {seconds} s: {message}", detail=self.release()
        )

    def wait(self, what: str, ready: Callable[[], bool], seconds: float) -> bool:
        """Turn the event loop until ``ready()`` or until ``seconds`` are over; say which.

        Raises DaemonDied when the connection breaks meanwhile, CallHung when that was since the
        daemon did not answer; ``what`` was waited for.
        """
        until = time.monotonic() + seconds
        while not ready():
            left = until - time.monotonic()
            if left <= 0:
                return ready()
            if not self.alive():
                raise self._broken(f"the connection broke while waiting for {what}")
            turn = min(left, LONGEST_TURN)
            libvirt.virEventUpdateTimeout(self._timer, max(1, int(turn * 1000)))
            self.guard.call("the event loop", turn + self.call_seconds, _turn)
            libvirt.virEventUpdateTimeout(self._timer, -1)
        return True

    def pause(self, seconds: float) -> None:
        """Let time pass, with the event loop turning."""
        self.wait("the clock", lambda: False, seconds)

    @staticmethod
    def now() -> float:
        """Monotonic seconds."""
        return time.monotonic()

    def alive(self) -> bool:
        return self._raw is not None and bool(self._raw.isAlive())

    def release(self) -> str:
        """From another thread: say where the daemon stands, and make a hanging call return.

        A connection that is still being opened is known by its socket.
        """
        opening = self._raw is None
        sockets = daemons.fresh_sockets(self._before) if opening else self._sockets
        daemon = daemons.identify(sockets) if opening else self.daemon
        evidence = daemons.stands(daemon, self.daemon_backtrace)
        daemons.shut(sockets)
        daemons.end_transports(daemons.transports() - self._others if opening else self._transports)
        if opening and daemon is not None:
            daemon.close()
        return evidence

    def close(self) -> None:
        """Let go; never raises.

        Objects that somebody still holds keep it open, and the last of them would say good-bye to
        the daemon in a call that nobody watches: so the wire is cut.
        """
        if self._raw is not None:
            for callback in self._callbacks:  # they would keep the connection open
                with contextlib.suppress(libvirt.libvirtError, ProductError):
                    self.call(self._raw.domainEventDeregisterAny, callback)
            with contextlib.suppress(libvirt.libvirtError, ProductError):
                self.call(self._raw.unregisterCloseCallback)
            with contextlib.suppress(libvirt.libvirtError, ProductError):
                self.guard.call("virConnectClose", self.call_seconds, self._raw.close)
            daemons.shut(self._sockets)
        self._raw, self._callbacks = None, ()
        for fd in self._sockets:
            os.close(fd)
        self._sockets = ()
        if self.daemon is not None:
            self.daemon.close()
            self.daemon = None


@cache
def event_name(event: int, detail: int) -> str:
    """``defined``, ``stopped:crashed`` ...; numbers that are newer than we are stay numbers."""
    name = LIFECYCLE[event] if event < len(LIFECYCLE) else str(event)
    if name not in DETAILS:
        return name
    known = DETAILS[name]
    return f"{name}:{known[detail] if detail < len(known) else detail}"


def _turn() -> None:
    libvirt.virEventRunDefaultImpl()
