"""What a knob is: a command that is run beside the loop."""

from __future__ import annotations

import contextlib
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ci.deadline import Deadline
from ci.errors import InfraError
from ci.shell import Argv, LocalShell
from suites.stress.amplifiers import on
from suites.stress.amplifiers.parcel import parcel, script

ON_SECONDS = 30.0  # a busy machine starts them slowly
END_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a knob is turned on for: the connection and the daemon behind it (0: nobody knows).

    ``shell`` runs a command on the daemon's host when that is not this machine.
    """

    uri: str
    daemon_pid: int
    shell: Argv = ()

    def gone(self) -> bool:
        """Whether the daemon has ended meanwhile."""
        place = f"/proc/{self.daemon_pid}"
        if not self.shell:
            return self.daemon_pid > 0 and not Path(place).exists()
        asked = (*self.shell, f"test ! -d {place}")
        return LocalShell().run(asked, Deadline.after(ON_SECONDS)).ok


@dataclass(frozen=True, kw_only=True)
class Knob:
    """``module`` is run with ``words``; ``missing`` says what it lacks here, or nothing.

    It works where the daemon is, unless it is one that ``asks`` the daemon from here. Of those
    that trace the daemon only one can be on: a thread has one tracer.
    """

    name: str
    about: str
    module: str
    words: Callable[[Setting], tuple[str, ...]]
    missing: Callable[[Setting], str]
    traces: bool = False
    asks: bool = False

    def command(self, setting: Setting) -> Argv:
        module = f"suites.stress.amplifiers.{self.module}"
        if self.sent(setting):
            return (*setting.shell, script(module, self.words(setting)))
        return (sys.executable, "-m", module, *self.words(setting))

    def sent(self, setting: Setting) -> bool:
        """Whether it is sent to another host."""
        return bool(setting.shell) and not self.asks


class Turned:
    """Knobs that are on. The processes end with us, whatever becomes of us."""

    def __init__(self, knobs: tuple[Knob, ...]) -> None:
        self._knobs = knobs
        self._processes: list[subprocess.Popen[bytes]] = []

    def turn_on(self, setting: Setting) -> None:
        """Start, or start anew for another daemon, and wait until they work.

        Raises InfraError with what a knob said when it cannot; that the daemon has ended meanwhile
        is no reason.
        """
        self.turn_off()
        until = time.monotonic() + ON_SECONDS
        with tempfile.TemporaryFile() as said:
            for knob in self._knobs:
                self._processes.append(_start(knob, setting, said))
            for knob, process in zip(self._knobs, self._processes, strict=True):
                if not _is_on(process, until) and not setting.gone():
                    self.turn_off()
                    raise _refused(knob, said)

    def turn_off(self) -> None:
        """Ask each to put back what it changed and to end; then kill."""
        for process in self._processes:
            if process.stdin is None:
                process.terminate()
            else:
                process.stdin.close()
        for process in self._processes:
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
        self._processes = []


def tried(knob: Knob, setting: Setting) -> str:
    """Why it cannot be turned on, by turning it on and off; nothing when it can."""
    turned = Turned((knob,))
    try:
        turned.turn_on(setting)
    except InfraError as error:
        return error.message
    turned.turn_off()
    return ""


def _start(knob: Knob, setting: Setting, said: IO[bytes]) -> subprocess.Popen[bytes]:
    setpriv = shutil.which("setpriv")
    dying = (setpriv, "--pdeathsig", "TERM", "--") if setpriv else ()
    process = subprocess.Popen(
        (*dying, *knob.command(setting)),
        stdin=subprocess.PIPE if knob.sent(setting) else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=said,
        start_new_session=True,
    )
    if process.stdin is not None:
        with contextlib.suppress(BrokenPipeError):  # it will have said why
            process.stdin.write(parcel())
            process.stdin.flush()
    return process


def _is_on(process: subprocess.Popen[bytes], until: float) -> bool:
    """Wait for its word; False when it ends or takes too long."""
    assert process.stdout is not None
    left = max(0.0, until - time.monotonic())
    ready, _, _ = select.select((process.stdout,), (), (), left)
    return bool(ready) and process.stdout.readline().strip() == on.WORD


def _refused(knob: Knob, said: IO[bytes]) -> InfraError:
    said.seek(0)
    last = said.read().decode(errors="replace").strip().splitlines()[-1:]
    return InfraError(
        f"the knob {knob.name} could not be turned on: {''.join(last) or 'it says nothing'}",
        hint="leave it out, or see what keeps it from working",
    )
