"""The serial console of a domain elsewhere, copied here while it grows.

libvirt's own log daemon writes it there, so that nothing is lost while nobody is connected.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

from ci.deadline import Deadline
from ci.deploy.ssh_errors import SshTarget
from ci.deploy.sshshell import SshShell
from ci.deploy.transfer import Sftp
from ci.errors import VirtciError

EVERY_SECONDS = 2.0
READ_SECONDS = 30.0
CHUNK = 2**18
ROTATED = ".0"  # virtlogd begins a new file every 2 MiB


class ConsoleCopy:
    """Appends what is new in ``remote`` to ``local``, until told to stop."""

    def __init__(self, target: SshTarget, remote: str, local: Path) -> None:
        self._shell = SshShell(target)
        self._remote = remote
        self._local = local
        self._place = local.with_name(local.name + ".position")
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="console-copy", daemon=True)
        self._thread.start()

    def catch_up(self, deadline: Deadline) -> None:
        """Copy all that is there now. Raises InfraError when the outer host does not answer."""
        with self._lock, self._shell.sftp("reading the console", deadline) as sftp:
            position = int(self._place.read_text()) if self._place.exists() else 0
            if _size(sftp, self._remote) < position:
                self._append(sftp, self._remote + ROTATED, position, deadline)
                position = 0
            position = self._append(sftp, self._remote, position, deadline)
            self._place.write_text(f"{position}")

    def stop(self) -> None:
        """Copy the rest, as far as it can be had."""
        self._stop.set()
        with suppress(VirtciError):
            self.catch_up(Deadline.after(READ_SECONDS))
        self._shell.close()

    def _run(self) -> None:
        while not self._stop.wait(EVERY_SECONDS):
            with suppress(VirtciError):
                self.catch_up(Deadline.after(READ_SECONDS))

    def _append(self, sftp: Sftp, remote: str, position: int, deadline: Deadline) -> int:
        """Where the copy stands then."""
        try:
            source = sftp.open(remote, "rb")
        except FileNotFoundError:
            return position
        with source, self._local.open("ab") as copy:
            source.seek(position)
            while chunk := source.read(CHUNK):
                deadline.check("reading the console")
                copy.write(chunk)
                position += len(chunk)
        return position


def _size(sftp: Sftp, path: str) -> int:
    try:
        with sftp.open(path, "rb") as file:
            return int(file.stat().st_size or 0)
    except FileNotFoundError:
        return 0


class ConsoleCopies:
    """The copies of this process, by local file."""

    def __init__(self) -> None:
        self._running: dict[str, ConsoleCopy] = {}
        self._lock = threading.Lock()

    def start(self, target: SshTarget, remote: str, local: Path) -> ConsoleCopy:
        """The one that runs already, or a new one."""
        with self._lock:
            if str(local) not in self._running:
                self._running[str(local)] = ConsoleCopy(target, remote, local)
            return self._running[str(local)]

    def stop(self, local: Path) -> None:
        with self._lock:
            copy = self._running.pop(str(local), None)
        if copy is not None:
            copy.stop()


COPIES = ConsoleCopies()
