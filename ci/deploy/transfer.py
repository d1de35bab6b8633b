"""What moving files to and from a host is: sessions that do it, shells that open them, limits."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from ci.deadline import Deadline
from ci.model import Record
from ci.shell import Shell

CHUNK = 2**18


class Sftp(Protocol):
    """What is used of an SFTP session."""

    def open(self, filename: str, mode: str = ..., bufsize: int = ...) -> Any: ...
    def mkdir(self, path: str, mode: int = ...) -> None: ...
    def chmod(self, path: str, mode: int) -> None: ...
    def listdir_attr(self, path: str = ...) -> list[Any]: ...


class FileShell(Shell, Protocol):
    """A shell that opens file transfer sessions, too."""

    def sftp(self, what: str, deadline: Deadline) -> AbstractContextManager[Sftp]: ...


class HostShell(Shell, Protocol):
    """A shell that moves whole files, too; what deploying needs of a host."""

    def put_many(
        self, files: Sequence[tuple[Path, str]], deadline: Deadline
    ) -> tuple[str, ...]: ...

    def get_tree(
        self, remote: str, local: Path, deadline: Deadline, *, limits: Limits
    ) -> Fetched: ...


class Limits(Record, frozen=True, kw_only=True):
    """What a download of a folder may cost. ``file_bytes``: of larger files the end is taken."""

    files: int = 500
    total_bytes: int = 512 * 2**20
    file_bytes: int = 64 * 2**20


class Fetched(Record, frozen=True, kw_only=True):
    """Paths relative to the folder: what came, and what was left out for the limits."""

    files: tuple[str, ...]
    left_out: tuple[str, ...]
