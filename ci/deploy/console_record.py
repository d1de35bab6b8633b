"""Recording a serial console for as long as a run holds its host: serial over LAN, virsh ...

The command is given a terminal, without which such programs refuse to work. When it ends (the host
was cycled, the BMC hung up) it is started again. What cannot be recorded never fails a run.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pty
import subprocess
import threading
from pathlib import Path

from ci.deploy.power import Switch
from ci.shell import Argv

CHUNK = 65536
AGAIN_SECONDS = 2.0
END_SECONDS = 5.0
_TIED = ("setpriv", "--pdeathsig", "TERM", "--")
_log = logging.getLogger(__name__)


class Recorder:
    """Appends what the console says to a file, until told to stop."""

    def __init__(self, switch: Switch, path: Path) -> None:
        self._switch = switch
        self._path = path
        self._stop = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._ours = -1
        self._thread = threading.Thread(target=self._run, name="console", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Leave the console in its own way, since a BMC keeps a session that was only cut."""
        self._stop.set()
        if self._ours >= 0 and self._switch.leave:
            with contextlib.suppress(OSError):
                os.write(self._ours, self._switch.leave.encode())
        self._thread.join(END_SECONDS)
        if self._thread.is_alive() and (process := self._process) is not None:
            process.kill()
            self._thread.join(END_SECONDS)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._session()
            except OSError as error:
                _log.warning("the console of %s is not recorded: %s", self._path, error)
            self._stop.wait(AGAIN_SECONDS)

    def _session(self) -> None:
        ours, theirs = pty.openpty()
        try:
            self._process = self._started(theirs)
        finally:
            os.close(theirs)
        self._ours = ours
        try:
            with self._path.open("ab", buffering=0) as file:
                while data := _read(ours):
                    file.write(data)
        finally:
            self._ours = -1
            os.close(ours)
            self._end()

    def _started(self, terminal: int) -> subprocess.Popen[bytes]:
        argv: Argv = (*_TIED, "setsid", "--ctty", "--wait", *self._switch.argv)
        return subprocess.Popen(
            argv,
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
            env=os.environ | self._switch.env,
        )

    def _end(self) -> None:
        if (process := self._process) is None:
            return
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _read(terminal: int) -> bytes:
    """Nothing once the last process at the terminal has ended, which Linux tells as an error."""
    try:
        return os.read(terminal, CHUNK)
    except OSError:
        return b""


class Recorders:
    """The recordings of this process, by host and file."""

    def __init__(self) -> None:
        self._running: dict[str, Recorder] = {}
        self._lock = threading.Lock()

    def start(self, switch: Switch, path: Path) -> None:
        """Nothing happens when it is recorded already."""
        with self._lock:
            if str(path) not in self._running:
                self._running[str(path)] = Recorder(switch, path)

    def stop(self, path: str) -> None:
        with self._lock:
            recorder = self._running.pop(path, None)
        if recorder is not None:
            recorder.stop()
