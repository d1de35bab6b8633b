"""A guest that proves by its console that it lives."""

from __future__ import annotations

import re
import threading
import time

import libvirt

from suites.hypervisor.handle import Handle
from suites.tck.domains import state

BOOT_SECONDS = 60.0
SHUTDOWN_SECONDS = 60.0
LISTEN_SECONDS = 10.0
BEAT = re.compile(r"virtci-guest beat=(\d+) boot_id=([0-9a-f-]{36})")


class Guest:
    """A booted domain and what it says. ``patience`` multiplies the seconds it is waited for."""

    def __init__(self, connection: Handle, domain: Handle, patience: float) -> None:
        self.connection = connection
        self.domain = domain
        self.patience = patience
        self._beats: list[tuple[int, str]] = []
        self._stop = threading.Event()
        self._reader: threading.Thread | None = None
        self._stream: Handle | None = None

    def reopen(self) -> None:
        """Listen to the console; a domain that was started again has a new one."""
        self.close()
        self._beats = []
        self._stop = threading.Event()
        stream = self.connection.newStream(libvirt.VIR_STREAM_NONBLOCK)
        self.domain.openConsole(None, stream, libvirt.VIR_DOMAIN_CONSOLE_FORCE)
        self._stream = stream
        self._reader = threading.Thread(target=self._read, args=(stream, self._stop), daemon=True)
        self._reader.start()

    def close(self) -> None:
        """Stop listening."""
        self._stop.set()
        if self._reader is not None:
            self._reader.join(5)
            self._reader = None

    def boot_id(self, *, other_than: str = "") -> str:
        """The id of this boot, or of the next one; fails when none shows up in time."""
        return self._wait("its boot id", lambda beat: beat[1] != other_than)[1]

    def booted_again(self, before: str) -> str:
        """The id of the boot after ``before``; Xen gives a rebooted guest a new console."""
        until = time.monotonic() + BOOT_SECONDS * self.patience
        again = time.monotonic() + LISTEN_SECONDS
        while not (new := [boot for _, boot in tuple(self._beats) if boot != before]):
            now = time.monotonic()
            assert now < until, "the guest did not boot again"
            if now > again:  # the old console does not always say that it ended
                self._listen_again()
                again = time.monotonic() + LISTEN_SECONDS
            time.sleep(0.1)
        return new[-1]

    def _listen_again(self) -> None:
        """Fails quietly while the domain is between its two lives."""
        try:
            self.reopen()
        except libvirt.libvirtError:
            return

    def beat(self) -> int:
        """The last heartbeat there was."""
        return self._wait("a heartbeat", lambda _: True)[0]

    def beats_after(self, before: int) -> None:
        """Wait until the heart has beaten again."""
        self._wait(f"heartbeat {before + 1}", lambda beat: beat[0] > before)

    def shut_down(self, mode: int = 0) -> None:
        """Ask it to shut down until it does: a request may come before the guest listens."""
        self.beat()
        until = time.monotonic() + SHUTDOWN_SECONDS * self.patience
        while state(self.domain) != libvirt.VIR_DOMAIN_SHUTOFF:
            assert time.monotonic() < until, "the guest was asked to shut down and did not"
            self._ask(mode)
            self._off_within(5.0)

    def _ask(self, mode: int) -> None:
        try:
            self.domain.shutdownFlags(mode) if mode else self.domain.shutdown()
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_OPERATION_INVALID:
                raise

    def _off_within(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if state(self.domain) == libvirt.VIR_DOMAIN_SHUTOFF:
                return
            time.sleep(0.05)

    def _wait(self, what: str, fits: object) -> tuple[int, str]:
        assert callable(fits)
        until = time.monotonic() + BOOT_SECONDS * self.patience
        while not (self._beats and fits(self._beats[-1])):
            assert time.monotonic() < until, f"the guest did not show {what} on its console"
            time.sleep(0.05)
        return self._beats[-1]

    def _read(self, stream: Handle, stop: threading.Event) -> None:
        rest = ""
        while not stop.is_set():
            data = _received(stream)
            if data is None:
                break
            if data:
                lines = (rest + data.decode(errors="replace")).split("\n")
                rest = lines.pop()
                heard = [(int(m[1]), m[2]) for line in lines if (m := BEAT.search(line))]
                self._beats.extend(heard)
            else:
                stop.wait(0.05)
        _abort(stream)


def _received(stream: Handle) -> bytes | None:
    """What came; empty when nothing did; None at the end."""
    try:
        data = stream.raw.recv(4096)
    except libvirt.libvirtError:
        return None
    if data == -2:
        return b""
    return bytes(data) or None


def _abort(stream: Handle) -> None:
    try:
        stream.raw.abort()
    except libvirt.libvirtError:
        return
