"""The line of shell that carries a command to a host, and brings its process id back."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

from ci.shell import STATUS_NOT_FOUND, Argv

MARK = "virtci-pid"
_MARK = re.compile(rb"^" + MARK.encode() + rb" (\d+)\n", re.MULTILINE)
MARK_WITHIN = 4096  # a login script that prints more than this before a command is beyond help


def remote_line(
    argv: Argv,
    *,
    cwd: str | None = None,
    env: Mapping[str, str] | None = None,
    reads: bool = False,
) -> str:
    """Quote a command for the host's login shell, once; ``reads``: it is sent an input.

    The first line it prints is its process id: sshd makes every command the leader of a session,
    so that the id is also that of the process group, which can be killed as a whole.
    """
    if env:
        argv = ("env", *(f"{name}={value}" for name, value in env.items()), *argv)
    enter = f"cd -- {shlex.quote(cwd)} || exit {STATUS_NOT_FOUND}; " if cwd is not None else ""
    # Nothing to read is told here: an end of input that crosses the command's own end on the wire
    # makes sshd hang up on every command of the connection.
    nothing = "" if reads else " </dev/null"
    return f"printf '{MARK} %s\\n' $$; {enter}exec {shlex.join(argv)}{nothing}"


class FirstLine:
    """Takes the process id out of the beginning of a command's output, with all before it."""

    def __init__(self) -> None:
        self.pid: int | None = None
        self._held = b""
        self._passing = False

    def feed(self, data: bytes) -> bytes:
        """The command's own part of ``data``; nothing as long as the mark may still come."""
        if self._passing:
            return data
        self._held += data
        if found := _MARK.search(self._held):
            self.pid = int(found[1])
            return self._pass(self._held[found.end() :])
        return self.rest() if len(self._held) > MARK_WITHIN else b""

    def rest(self) -> bytes:
        """What was held back, when no mark came."""
        return self._pass(self._held)

    def _pass(self, data: bytes) -> bytes:
        self._passing, self._held = True, b""
        return data
