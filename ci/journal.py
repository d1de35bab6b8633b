"""The journal: an append-only file of events, the only state of a run.

One JSON object per line, written whole and synced before the caller goes on (or, for the ledgers of
suites, in groups). A line that was torn by a crash is cut when the file is opened again. One writer
at a time holds a lock on it.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, BinaryIO

import msgspec
from msgspec import Meta

from ci.errors import InfraError, UsageError
from ci.model import Record

END_OF_TIME = 253402300800.0  # of calendars: the end of the year 9999


class Event(Record, frozen=True, kw_only=True):
    """One line. ``at`` is seconds since the epoch; ``data`` is the JSON of a record or empty."""

    at: Annotated[float, Meta(ge=0, lt=END_OF_TIME)]
    what: str
    name: str = ""
    fingerprint: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")


TAIL_BYTES = 65536
WHAT_BYTES = 64  # an event's time and sort stand within so many

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Event)


def read(path: Path, *, but: str = "") -> Iterator[Event]:
    """Every whole event of a journal; a torn last line is left out.

    Events of the sort ``but`` are passed over without a look into them: a soak writes many more
    operations than cases. Raises InfraError when a line before the last one is damaged, or when
    the file cannot be read.
    """
    passed_over = f',"what":"{but}",'.encode()
    with _opened(path) as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            if but and line.find(passed_over, 0, WHAT_BYTES) > 0:
                continue
            try:
                event = _decoder.decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise InfraError(
                    f"{path}:{number}: this journal line is damaged ({error})",
                    hint="restore the file from a copy, or start the run anew",
                ) from None
            # Raw points into ``line``; a copy lets the line go.
            yield msgspec.structs.replace(event, data=msgspec.Raw(bytes(event.data)))


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise InfraError(f"{path} cannot be read: {error.strerror}") from None


class Journal:
    """The one writer of a journal file. Its methods may be called from any thread.

    Without ``group_seconds`` every event is synced before ``append`` returns. With it events are
    written and synced together, at most that many seconds later (plus the sync itself): this is
    what a kill or a power cut can lose. ``flush`` and ``close`` write what is waiting.
    """

    def __init__(self, path: Path, *, group_seconds: float = 0.0) -> None:
        self.path = path
        self.group_seconds = group_seconds
        self._fd = _open_locked(path)
        _cut_torn_line(self._fd)
        self._lock = threading.Lock()
        self._waiting: list[bytes] = []
        self._error: InfraError | None = None
        self._closing = threading.Event()
        self._flusher: threading.Thread | None = None
        if group_seconds > 0:
            self._flusher = threading.Thread(target=self._flush_in_time, daemon=True)
            self._flusher.start()

    def append(self, event: Event) -> None:
        """Write one event. Raises InfraError when the disk did not take this or a former one."""
        self.append_line(_encoder.encode(event))

    def append_line(self, line: bytes) -> None:
        """The same for an event that is encoded already, for those who write very many."""
        with self._lock:
            self._waiting.append(line)
        if self._flusher is None:
            self.flush()
        elif self._error is not None:
            raise self._error

    def flush(self) -> None:
        """Make every event durable that was appended so far. Raises InfraError when that fails."""
        with self._lock:
            lines, self._waiting = self._waiting, []
            if not lines:
                return
            try:
                _write_all(self._fd, b"\n".join((*lines, b"")))
                os.fdatasync(self._fd)
            except OSError as error:
                _cut_torn_line(self._fd)
                raise self._refused(error) from None

    def close(self) -> None:
        """Flush and let the lock go."""
        self._closing.set()
        if self._flusher is not None:
            self._flusher.join()
        try:
            self.flush()
        finally:
            os.close(self._fd)

    def _flush_in_time(self) -> None:
        while not self._closing.wait(self.group_seconds):
            try:
                self.flush()
            except InfraError as error:
                self._error = error
                return

    def _refused(self, error: OSError) -> InfraError:
        return InfraError(
            f"cannot write {self.path}: {error.strerror}",
            hint="free some space, then: virtci run --resume " + self.path.parent.name,
        )


def _open_locked(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        raise UsageError(
            f"{path.parent} is in use by another virtci",
            hint="wait for it to end, or stop it, then resume",
        ) from None
    return fd


def _cut_torn_line(fd: int) -> None:
    """Cut what stands behind the last newline; looks at the end of the file only."""
    size = end = os.fstat(fd).st_size
    while end > 0:
        start = max(0, end - TAIL_BYTES)
        newline = os.pread(fd, end - start, start).rfind(b"\n")
        if newline >= 0:
            end = start + newline + 1
            break
        end = start
    if end != size:
        os.ftruncate(fd, end)


def _write_all(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]
