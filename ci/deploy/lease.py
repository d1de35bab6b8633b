"""Leases without a server: a host remembers who holds it, by its own clock alone.

The state is a folder on the host, changed under one lock by one script. Times are seconds of the
host's uptime, so that neither its clock nor ours matters; after a reboot a lease has its whole time
to live again. Each lease has a higher token than every one before it: a command that carries an old
token does nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from ci.deadline import Deadline
from ci.deploy.transfer import Fetched, HostShell, Limits
from ci.errors import InfraError, UsageError
from ci.model import Record
from ci.shell import Argv, Completed, Shell

STATE = "/var/lib/virtci/lease"
STATUS_HELD = 75  # somebody else holds it, or is before us in the queue
STATUS_LOST = 97  # the token is not the newest any more
ASK_SECONDS = 60.0
LOG_LINES = 200
# $1 is the lease file, $2 our token, then the command
_GUARD = (
    'read -r t x 2>/dev/null <"$1"; '
    'if [ "$t" = "$2" ]; then shift 2; exec "$@"; fi; '
    f'echo "lease $2 is lost, ${{t:-nobody}} holds" >&2; exit {STATUS_LOST}'
)


class Lease(Record, frozen=True, kw_only=True):
    """A held lease. ``token`` is the fencing token; ``seconds_left`` is as of the asking."""

    host: str
    token: int
    owner: str
    purpose: str
    seconds_left: float


class Waiting(Record, frozen=True, kw_only=True):
    """Why a lease is not ours yet. ``ahead`` counts who came before us."""

    holder: Lease | None
    ticket: int
    ahead: int


@dataclass(frozen=True)
class Leases:
    """The leases of the host that ``shell`` reaches. ``state`` is a folder of ours there."""

    shell: Shell
    state: str = STATE

    def ask(
        self, *, owner: str, purpose: str, seconds: int, deadline: Deadline, ticket: int = 0
    ) -> Lease | Waiting:
        """Take the lease if it is free and our turn; else stand in the queue.

        Call again with the ticket, at least every half minute: who does not loses the place.
        """
        answer = self._call(deadline, "take", seconds, ticket, word(owner), purpose)
        if answer.status == STATUS_HELD:
            return self._waiting(answer)
        return self._lease(answer)

    def leave(self, ticket: int, deadline: Deadline) -> None:
        """Give up one's place in the queue."""
        self._call(deadline, "leave", 0, ticket)

    def renew(self, token: int, seconds: int, deadline: Deadline) -> Lease:
        """The heartbeat. Raises InfraError when the lease was lost."""
        return self._lease(self._call(deadline, "renew", seconds, token))

    def release(self, token: int, deadline: Deadline) -> None:
        """Give it back; a lease that is somebody else's by now is left alone."""
        answer = self._call(deadline, "release", 0, token)
        if answer.status not in (0, STATUS_LOST):
            raise self._broken(answer)

    def steal(self, *, owner: str, purpose: str, seconds: int, deadline: Deadline) -> Lease:
        """Take it from whoever holds it; the host's lease log keeps who did it to whom."""
        return self._lease(self._call(deadline, "steal", seconds, 0, word(owner), purpose))

    def holder(self, deadline: Deadline) -> Lease | None:
        """Who holds the host now."""
        answer = self._call(deadline, "show", 0, 0)
        if not answer.ok:
            raise self._broken(answer)
        return self._lease(answer) if answer.stdout.startswith("lease ") else None

    def log(self, deadline: Deadline) -> tuple[str, ...]:
        """What happened to the leases of this host, oldest first."""
        argv = ("tail", "-n", str(LOG_LINES), f"{self.state}/log")
        return tuple(self.shell.run(argv, deadline).stdout.splitlines())

    def _call(
        self, deadline: Deadline, verb: str, seconds: int, number: int, *who: str
    ) -> Completed:
        """``who``: owner and purpose."""
        if any("\n" in text for text in who):
            raise UsageError("the purpose of a lease is one line")
        arguments = (self.state, verb, str(seconds), str(number), *who)
        argv = ("sh", "-c", _script(), "virtci", *arguments)
        return self.shell.run(argv, deadline.within(ASK_SECONDS))

    def _lease(self, answer: Completed) -> Lease:
        if answer.status == STATUS_LOST:
            raise lost(self.shell.where, answer.tail(1))
        lease = parse_lease(answer.stdout, self.shell.where)
        if not answer.ok or lease is None:
            raise self._broken(answer)
        return lease

    def _waiting(self, answer: Completed) -> Waiting:
        words = next((x.split() for x in answer.stdout.splitlines() if "ticket" in x), [])
        if len(words) != 3:
            raise self._broken(answer)
        holder = parse_lease(answer.stdout, self.shell.where)
        return Waiting(holder=holder, ticket=int(words[1]), ahead=int(words[2]))

    def _broken(self, answer: Completed) -> InfraError:
        return InfraError(
            f"the lease of {self.shell.where} cannot be read or written",
            hint=f"see {self.state} there; is its disk full, and is flock (util-linux) installed?",
            detail=answer.tail(8),
        )


def parse_lease(text: str, host: str) -> Lease | None:
    """The line that tells of a lease; None when there is none."""
    found = re.search(r"^lease (\d+) (-?\d+) (\S+) ?(.*)$", text, re.MULTILINE)
    if found is None:
        return None
    return Lease(
        host=host,
        token=int(found[1]),
        seconds_left=int(found[2]),
        owner=found[3],
        purpose=found[4],
    )


def word(owner: str) -> str:
    """An owner's name as one word. Raises UsageError when nothing would be left of it."""
    plain = re.sub(r"[^A-Za-z0-9@._:/+-]+", "-", owner).strip("-")[:100]
    if not plain:
        raise UsageError(f'"{owner}" is no name for the owner of a lease')
    return plain


@cache
def _script() -> str:
    return files("ci.deploy").joinpath("lease.sh").read_text(encoding="utf-8")


class FencedShell:
    """A shell whose every command is refused on the host once the lease has gone to another."""

    def __init__(self, shell: HostShell, token: int, *, state: str = STATE) -> None:
        self.where = shell.where
        self._shell = shell
        self._guard = ("sh", "-c", _GUARD, "virtci", f"{state}/lease", str(token))

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
        """As the shell's own; raises InfraError when the lease is lost, and then did nothing."""
        done = self._shell.run(
            (*self._guard, *argv), deadline, cwd=cwd, env=env, stdin=stdin, log=log
        )
        if done.status == STATUS_LOST:
            raise lost(self.where, done.tail(1))
        return Completed(argv, done.status, done.stdout, done.stderr, done.seconds)

    def put_many(self, files: Sequence[tuple[Path, str]], deadline: Deadline) -> tuple[str, ...]:
        """As the shell's own, after a look at the lease."""
        self.run(("true",), deadline)
        return self._shell.put_many(files, deadline)

    def get_tree(self, remote: str, local: Path, deadline: Deadline, *, limits: Limits) -> Fetched:
        """Reading needs no lease."""
        return self._shell.get_tree(remote, local, deadline, limits=limits)


def fenced(shell: HostShell, token: int) -> HostShell:
    """The shell itself when no lease is needed (token 0)."""
    return FencedShell(shell, token) if token else shell


def lost(where: str, said: str) -> InfraError:
    return InfraError(
        f"the lease of {where} is lost; nothing more is done to it",
        hint="somebody took it over, or our heartbeat did not get through: virtci hosts show",
        detail=said,
    )
