"""A machine over SSH: commands and files over one kept connection."""

from __future__ import annotations

import contextlib
import shlex
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

from ci.deadline import Deadline
from ci.deploy import download, upload
from ci.deploy.capture import Tail
from ci.deploy.kept_connection import KeptConnection
from ci.deploy.remote_command import POLL_SECONDS, RemoteCommand, feed
from ci.deploy.remote_line import remote_line
from ci.deploy.ssh import Channel, file_session
from ci.deploy.ssh_errors import SshTarget
from ci.deploy.transfer import Fetched, Limits, Sftp
from ci.errors import InfraError, Interrupted, TimedOut, UsageError
from ci.shell import Argv, Completed

KILL_SECONDS = 5.0


class SshShell:
    """Implements ``ci.shell.Shell``; threads may share it.

    The host's login shell must be a POSIX one. A command that a signal ended has status -1. At the
    deadline the command's whole process group is killed. Raises UsageError when key, known_hosts
    or login are wrong, InfraError when the host cannot be reached or goes away.
    """

    def __init__(self, target: SshTarget) -> None:
        self.where = target.name
        self._connection = KeptConnection(target)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the connection to the next who asks for this login."""
        self._connection.leave()

    def close(self) -> None:
        """End the connection; the next command would open it again."""
        self._connection.close()

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
        what = f"{shlex.join(argv)[:200]} on {self.where}"
        started = time.monotonic()
        with contextlib.ExitStack() as held:
            channel = held.enter_context(self._connection.session(what, deadline))
            command = RemoteCommand(channel, what, _log(held, log), has_log=log is not None)
            try:
                with self._connection.translated(what, deadline):
                    with _closed_at(deadline, channel):
                        line = remote_line(argv, cwd=cwd, env=env, reads=bool(stdin))
                        channel.exec_command(line)
                    if stdin:
                        feed(channel, stdin)
                    status = command.follow(deadline)
            except (TimedOut, Interrupted):
                self._kill(command.first_line.pid)
                raise
            return Completed(
                argv, status, command.out.text(), command.stderr(), time.monotonic() - started
            )

    def put(self, local: Path, remote: str, deadline: Deadline) -> bool:
        """Upload one file; see ``put_many``. Returns whether it had to be sent."""
        return bool(self.put_many(((local, remote),), deadline))

    def put_many(self, files: Sequence[tuple[Path, str]], deadline: Deadline) -> tuple[str, ...]:
        """Upload files, whole or not at all, checked by sha256; return the remote paths sent.

        A file with the same content there already is left alone.
        """
        return upload.put_many(self, files, deadline)

    def get(
        self, remote: str, local: Path, deadline: Deadline, *, limit: int = download.FILE_LIMIT
    ) -> int:
        """Download the last ``limit`` bytes of one file; return the bytes written."""
        return download.get(self, remote, local, deadline, limit=limit)

    def get_tree(self, remote: str, local: Path, deadline: Deadline, *, limits: Limits) -> Fetched:
        """Download the plain files below a folder, newest first, within ``limits``."""
        return download.get_tree(self, remote, local, deadline, limits=limits)

    @contextlib.contextmanager
    def sftp(self, what: str, deadline: Deadline) -> Iterator[Sftp]:
        """A file transfer session that ends at the deadline."""
        with (
            self._connection.session(what, deadline) as channel,
            self._connection.translated(what, deadline),
            _closed_at(deadline, channel),
        ):
            yield file_session(channel)

    def _kill(self, pid: int | None) -> None:
        """Best effort. Without a pid the command's first line is still to be printed, and that ends
        it, since nobody reads it any more.
        """
        if pid is not None:
            with contextlib.suppress(InfraError, UsageError):
                self.run(("kill", "-KILL", "--", f"-{pid}"), Deadline.after(KILL_SECONDS))


@contextlib.contextmanager
def _closed_at(deadline: Deadline, channel: Channel) -> Iterator[None]:
    """Close the channel at the deadline: paramiko's own waits for an answer have no end."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(POLL_SECONDS):
            if deadline.expired():
                channel.close()
                return

    thread = threading.Thread(target=watch, name="ssh-deadline", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _log(held: contextlib.ExitStack, log: Path | None) -> Tail:
    if log is None:
        return Tail()
    log.parent.mkdir(parents=True, exist_ok=True)
    return Tail(held.enter_context(log.open("wb")))
