"""The guest of a loop: its domain, its events, its console, and what is expected of them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import libvirt

from ci.errors import ProductError
from suites.stress import events
from suites.stress.connection import Connection
from suites.stress.domain_xml import domain_xml
from suites.stress.guest_console import Transcript
from suites.stress.host import Host

REATTACH_SECONDS = 0.05
SETTLE_SECONDS = 10.0
DISK_BYTES = 16 * 2**20
WOULD_BLOCK = -2
LISTENED = (
    libvirt.VIR_STREAM_EVENT_READABLE
    | libvirt.VIR_STREAM_EVENT_ERROR
    | libvirt.VIR_STREAM_EVENT_HANGUP
)


class Guest:
    """One guest under stress. ``done`` are the operations so far that make events."""

    def __init__(self, name: str, host: Host) -> None:
        self.name = name
        self.host = host
        self.kind = host.guest_kind()
        self.boot_seconds = host.options.boot_seconds
        self.xml = domain_xml(name, self.kind)
        self.transcript = Transcript()
        self._stream: Any = None
        self._ended: list[Any] = []  # streams that are over for us and still open for the daemon
        self.events = ""
        self._settled = 0
        self._ids: tuple[object, int] = (None, -1)  # the daemon, and the last id it has given
        self.begin()

    def begin(self) -> None:
        """Forget the iteration before, but no event that came when all was over."""
        self.domain: Any = None
        self.domain_id = -1
        self.boots: list[str] = []  # the boot ids proven in this iteration
        self.events = self.events[self._settled :]
        self.done: tuple[str, ...] = ()
        self._mark = self._settled = 0
        if self.kind.runs:
            if self._stream is not None:
                self._drop(self._stream)
            self.transcript = Transcript()

    @property
    def connection(self) -> Connection:
        return self.host.connection

    @property
    def boot_id(self) -> str:
        return self.boots[-1] if self.boots else ""

    def call(self, method: Callable[..., Any], *values: object, seconds: float = 0.0) -> Any:
        """A libvirt call; see Connection.call."""
        return self.connection.call(method, *values, seconds=seconds)

    def find(self) -> None:
        """Look the domain up: it may be another one by now. Raises libvirt.libvirtError."""
        self.domain = self.call(self.connection.raw.lookupByName, self.name)
        self.domain_id = self.domain.ID()

    def anew(self) -> None:
        """It has just been started: it must have an id that the one before did not have."""
        self.domain_id = found = self.domain.ID()
        before, self._ids = self._ids, (self.host.daemon, found)
        if found < 0 or before == self._ids:
            problem = f"the id of the one before, {found}" if found >= 0 else "no id"
            raise ProductError(f"{self.name} was started and has {problem}")

    def reverted(self) -> None:
        """It was taken back: as the domain it was or as another one, both are right."""
        self._ids = (self.host.daemon, self.domain_id)

    def goes_on(self) -> None:
        """It runs on: it must have kept its id, and the hypervisor must run it just once."""
        was = self._ids[1]
        self.find()
        if self.domain_id != was:
            raise ProductError(f"{self.name} went on and its id changed: {was}, {self.domain_id}")
        if (running := self.host.running(self.name)) not in (None, 1):
            raise ProductError(
                f"libvirt says that {self.name} is running, the hypervisor runs it {running} times"
            )

    def reconnected(self) -> None:
        """The connection is another one: nothing of the old one may be used."""
        self._stream, self._ended = None, []
        self.find()

    # events

    def heard(self, event: str) -> None:
        self.events += event + " "

    def mark(self) -> None:
        """From here on ``ended`` looks."""
        self._mark = len(self.events)

    def ended(self) -> bool:
        """Whether the domain's end was heard of since ``mark``."""
        return "stopped:" in self.events[self._mark :]

    def ended_or_interrupted(self) -> bool:
        """Whether there is nothing to wait for any more."""
        return self.host.interrupted or self.ended()

    def events_fit(self) -> bool:
        return events.fit(self.host.driver, self.done, self.events)

    def settle(self, seconds: float = SETTLE_SECONDS) -> None:
        """Wait for the events of all that was done. Raises ProductError when they differ."""
        if not self.connection.wait("events", self.events_fit, seconds):
            raise ProductError(
                f"the events of {self.name} were [{self.events.strip()}], after "
                f"{', '.join(self.done)} they should be "
                f"[{events.expected(self.host.driver, self.done)}]",
                detail=self.evidence(),
            )
        self._settled = len(self.events)

    def late(self) -> str:
        """Events that came after all that was done had been heard of."""
        return self.events[self._settled :].strip()

    def forget_events(self) -> None:
        """What was heard belongs to what has failed and was swept."""
        self.events, self._settled = "", 0

    def wait(self, what: str, ready: Callable[[], bool], seconds: float) -> None:
        """Wait for something of this guest. Raises ProductError with the console's tail."""
        host = self.host
        arrived = self.connection.wait(what, lambda: host.interrupted or ready(), seconds)
        host.go_on()
        if not arrived:
            message = f"{self.name}: {what} did not happen within {seconds:g} s"
            raise ProductError(message, detail=self.evidence())

    def evidence(self) -> str:
        """The console's tail and the events, for a failure."""
        if not self.kind.runs:
            return f"events: {self.events}"
        console = self.transcript.tail() or "(the console said nothing)"
        return f"events: {self.events}\nlast lines of the console:\n{console}"

    # console

    @property
    def attached(self) -> bool:
        """Whether the console is being read."""
        return self._stream is not None

    def attach(self) -> bool:
        """Read the console of the domain as it is now; False when it is not there (yet)."""
        try:
            self.find()
            stream = self.call(self.connection.raw.newStream, libvirt.VIR_STREAM_NONBLOCK)
            self.call(self.domain.openConsole, None, stream, 0)
            stream.eventAddCallback(LISTENED, self._readable, None)
        except libvirt.libvirtError:
            return False
        self._stream = stream
        return True

    def _readable(self, stream: Any, _: int, __: Any) -> None:
        if stream is not self._stream:  # what an older guest said late is no proof of this one
            self._drop(stream)
            return
        try:
            while data := stream.recv(65536):
                if data == WOULD_BLOCK:
                    return
                self.transcript.feed(data)
        except libvirt.libvirtError:
            self.transcript.feed(b"\n(the console broke off)\n")
        self._drop(stream)

    def _drop(self, stream: Any) -> None:
        """The console ended: a reboot has made a new domain, or the guest is gone."""
        if stream is self._stream:
            self._stream = None
        with contextlib.suppress(libvirt.libvirtError):
            stream.eventRemoveCallback()
        self._ended.append(stream)  # this may be called by the event loop: no call may be made now

    def detach(self) -> None:
        """Let the console go, if it is read, and consoles that have ended.

        The daemon keeps each open until it is told: forgetting them would look like a leak of its.
        """
        if self._stream is not None:
            self._drop(self._stream)
        ended, self._ended = self._ended, []
        for stream in ended:
            with contextlib.suppress(libvirt.libvirtError):
                self.call(stream.abort)

    # files beside the daemon

    @property
    def save_path(self) -> str:
        return f"{self.host.scratch}/{self.name}.save"

    @property
    def disk_path(self) -> str:
        return f"{self.host.scratch}/{self.name}.raw"

    def make_disk(self) -> None:
        """An empty disk, where the daemon is on this machine; elsewhere it has to be there."""
        path = Path(self.disk_path)
        if self.host.local and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                file.truncate(DISK_BYTES)
