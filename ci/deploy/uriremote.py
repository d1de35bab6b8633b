"""The host of a connection URI, reached by the same ``ssh`` as libvirt does: strict host keys."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from ci.deadline import Deadline
from ci.errors import InfraError
from ci.shell import Argv, LocalShell

SSH_FAILED = 255  # of ssh itself, not of what it was to run


@dataclass(frozen=True)
class UriRemote:
    """``way`` is the ssh command that a command is put behind, host keys strictly checked."""

    way: Argv

    def ask(self, argv: Argv, deadline: Deadline, *, stdin: str = "") -> str:
        """What a command prints there, whatever its status. Raises InfraError without a way in."""
        done = LocalShell().run((*self.way, shlex.join(argv)), deadline, stdin=stdin)
        if done.status == SSH_FAILED:
            raise InfraError(f"ssh: {done.tail(1) or 'no way in'}")
        return done.stdout

    def fetch(self, argv: Argv, into: Path, deadline: Deadline, *, stdin: str = "") -> None:
        """The same into a file, byte by byte. Raises InfraError when the command fails."""
        into.parent.mkdir(parents=True, exist_ok=True)
        redirected = ("sh", "-c", 'exec "$@" >"$0"', str(into), *self.way, shlex.join(argv))
        done = LocalShell().run(redirected, deadline, stdin=stdin)
        if not done.ok:
            into.unlink(missing_ok=True)
            raise InfraError(f"{argv[0]} failed there: {done.tail(1) or f'status {done.status}'}")
