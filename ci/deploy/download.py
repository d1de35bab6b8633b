"""Files from a host, within limits."""

from __future__ import annotations

import contextlib
import posixpath
import stat
from collections.abc import Iterator
from pathlib import Path

from ci.deadline import Deadline
from ci.deploy.transfer import CHUNK, Fetched, FileShell, Limits, Sftp
from ci.errors import InfraError

FILE_LIMIT = 256 * 2**20


def get(shell: FileShell, remote: str, local: Path, deadline: Deadline, *, limit: int) -> int:
    """See SshShell.get."""
    with shell.sftp(f"downloading {remote}", deadline) as sftp:
        try:
            return _receive(sftp, remote, local, deadline, limit)
        except (FileNotFoundError, PermissionError) as error:
            raise InfraError(f"cannot read {remote} on {shell.where}: {error}") from None


def _receive(sftp: Sftp, remote: str, local: Path, deadline: Deadline, limit: int) -> int:
    local.parent.mkdir(parents=True, exist_ok=True)
    part = local.with_name(local.name + ".part")
    try:
        taken = _copy(sftp, remote, part, deadline, limit)
        part.replace(local)
    finally:
        part.unlink(missing_ok=True)
    return taken


def _copy(sftp: Sftp, remote: str, part: Path, deadline: Deadline, limit: int) -> int:
    taken = 0
    with sftp.open(remote, "rb") as source, part.open("wb") as target:
        size = source.stat().st_size or 0
        source.seek(max(0, size - limit))
        if size <= limit:
            source.prefetch(size)
        # A file that grows while it is read (a log) must not be read for ever.
        while taken < limit and (chunk := source.read(min(CHUNK, limit - taken))):
            deadline.check(f"downloading {remote}")
            target.write(chunk)
            taken += len(chunk)
    return taken


def get_tree(
    shell: FileShell, remote: str, local: Path, deadline: Deadline, *, limits: Limits
) -> Fetched:
    """See SshShell.get_tree."""
    fetched: list[str] = []
    left_out: list[str] = []
    total = 0
    with shell.sftp(f"downloading {remote}", deadline) as sftp:
        files = sorted(_walk(sftp, remote, "", deadline), key=lambda found: -found[1])
        for path, _, size in files:
            take = min(size, limits.file_bytes)
            if len(fetched) >= limits.files or total + take > limits.total_bytes:
                left_out.append(path)
                continue
            # Files come and go while logs rotate.
            with _gone(left_out, path):
                _receive(sftp, posixpath.join(remote, path), local / path, deadline, take)
                fetched.append(path)
                total += take
    return Fetched(files=tuple(fetched), left_out=tuple(left_out))


@contextlib.contextmanager
def _gone(left_out: list[str], path: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, PermissionError):
        left_out.append(path)


def _walk(
    sftp: Sftp, root: str, below: str, deadline: Deadline
) -> Iterator[tuple[str, float, int]]:
    """Path below the root, time of change and size of every plain file; links are not followed."""
    deadline.check(f"listing {root}")
    try:
        entries = sftp.listdir_attr(posixpath.join(root, below))
    except (FileNotFoundError, PermissionError):
        return
    for entry in entries:
        path = posixpath.join(below, entry.filename)
        if stat.S_ISDIR(entry.st_mode or 0):
            yield from _walk(sftp, root, path, deadline)
        elif stat.S_ISREG(entry.st_mode or 0):
            yield path, entry.st_mtime or 0.0, entry.st_size or 0
