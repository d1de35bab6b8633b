"""Commands: the protocol every machine is driven through, and the local implementation.

A command is a tuple of arguments, never a shell string. A command that outlives its deadline is
killed with its whole process group, so that nothing is left behind.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from ci.deadline import Deadline
from ci.errors import InfraError, Interrupted, TimedOut

Argv = tuple[str, ...]
TAIL_LINES = 40
STATUS_NOT_FOUND = 127
POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Completed:
    """What a command did: exit status, both outputs as text, wall seconds."""

    argv: Argv
    status: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def ok(self) -> bool:
        return self.status == 0

    def tail(self, lines: int = TAIL_LINES) -> str:
        """The last lines of what it printed, stdout first."""
        text = "\n".join(part.strip("\n") for part in (self.stdout, self.stderr) if part.strip())
        return "\n".join(text.splitlines()[-lines:])


class Shell(Protocol):
    """A machine that runs commands. ``where`` names it in messages."""

    where: str

    def run(
        self,
        argv: Argv,
        deadline: Deadline,
        *,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        stdin: str | None = None,
        log: Path | None = None,
    ) -> Completed:
        """Run to the end whatever the exit status.

        ``env`` adds to the machine's environment. With ``log`` both outputs go to that local file
        and ``stdout`` holds its tail. Raises TimedOut at the deadline, InfraError when the machine
        cannot be reached. A missing program is status 127.
        """


def must(
    shell: Shell,
    argv: Argv,
    deadline: Deadline,
    *,
    cwd: str | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
) -> str:
    """Run a command that has to succeed; return its stdout. Raises InfraError otherwise."""
    done = shell.run(argv, deadline, cwd=cwd, env=env, stdin=stdin)
    if not done.ok:
        raise InfraError(
            f"{shlex.join(argv)[:200]} failed with status {done.status} on {shell.where}",
            detail=done.tail(),
        )
    return done.stdout


class LocalShell:
    """This machine. What it runs has ``environment`` besides the user's own."""

    where = "this machine"

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self.environment = dict(environment or {})

    def run(
        self,
        argv: Argv,
        deadline: Deadline,
        *,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        stdin: str | None = None,
        log: Path | None = None,
    ) -> Completed:
        deadline.check(shlex.join(argv)[:80])
        started = time.monotonic()
        with contextlib.ExitStack() as files:
            out, err = _outputs(files, log)
            try:
                process = subprocess.Popen(
                    argv,
                    cwd=cwd,
                    env={**os.environ, **self.environment, **(env or {})},
                    stdin=_input(files, stdin),
                    stdout=out,
                    stderr=err,
                    start_new_session=True,
                )
            except OSError as error:
                return Completed(argv, STATUS_NOT_FOUND, "", f"{argv[0]}: {error.strerror}", 0.0)
            _finish(process, argv, deadline)
            seconds = time.monotonic() - started
            return Completed(argv, process.returncode, _text(out), _text(err, out), seconds)


def _outputs(files: contextlib.ExitStack, log: Path | None) -> tuple[IO[bytes], IO[bytes]]:
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
        both = files.enter_context(log.open("w+b"))
        return both, both
    return (
        files.enter_context(tempfile.TemporaryFile()),
        files.enter_context(tempfile.TemporaryFile()),
    )


def _input(files: contextlib.ExitStack, text: str | None) -> int | IO[bytes]:
    """A file, not a pipe: a pipe cannot be written on after a wait that was too short."""
    if text is None:
        return subprocess.DEVNULL
    file = files.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - closed with `files`
    file.write(text.encode())
    file.seek(0)
    return file


def _finish(process: subprocess.Popen[bytes], argv: Argv, deadline: Deadline) -> None:
    try:
        while not _ended(process, deadline):
            if deadline.stopped():
                raise Interrupted(f"stopped during {shlex.join(argv)[:200]}")
            if deadline.expired():
                raise TimedOut(f"{shlex.join(argv)[:200]} did not end in time and was killed")
    finally:
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _ended(process: subprocess.Popen[bytes], deadline: Deadline) -> bool:
    """Wait a moment, short enough to notice a stop."""
    try:
        process.wait(timeout=min(POLL_SECONDS, max(0.01, deadline.remaining())))
    except subprocess.TimeoutExpired:
        return False
    return True


def _text(stream: IO[bytes], already: IO[bytes] | None = None, limit: int = 16 * 2**20) -> str:
    """What was written, at most the last ``limit`` bytes, undecodable bytes replaced."""
    if stream is already:
        return ""
    end = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, end - limit))
    return stream.read().decode(errors="replace")
