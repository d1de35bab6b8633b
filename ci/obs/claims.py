"""Claims: each build starts exactly one run, whoever hears of it, how often, and who dies when.

A claim is a file of its own in the state folder. It is made whole (written beside, synced, then
linked: only one maker wins), and whoever works on it holds a lock on it that the kernel drops when
the worker dies; then another watcher goes on with it. What is done moves to another folder.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ci.codec import from_json, to_json
from ci.errors import InfraError
from ci.model import Record
from ci.obs.notices import Notice
from ci.obs.rules import Rule


class Claim(Record, frozen=True, kw_only=True):
    """One build that a rule takes. ``done`` is empty until the run was started, then names it."""

    id: str
    rule: Rule
    notice: Notice
    done: str = ""


@dataclass(frozen=True)
class Claims:
    """All claims of a state folder; several watchers may share it."""

    folder: Path

    @property
    def _open(self) -> Path:
        return self.folder / "open"

    @property
    def _done(self) -> Path:
        return self.folder / "done"

    def add(self, claim: Claim) -> bool:
        """Make it durable; false when it was there already. Raises InfraError on a full disk."""
        if self.knows(claim.id):
            return False
        target = self._open / f"{claim.id}.json"
        try:
            self._open.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self._open, prefix=".new-") as new:
                new.write(to_json(claim))
                new.flush()
                os.fsync(new.fileno())
                os.link(new.name, target)
            _sync(self._open)
        except FileExistsError:
            return False
        except OSError as error:
            raise _disk(self.folder, error) from None
        if self._is_done(claim.id):  # it was finished between the look and the link
            target.unlink(missing_ok=True)
            return False
        return True

    def knows(self, name: str) -> bool:
        """Whether a build is claimed, done or not."""
        return self._is_done(name) or (self._open / f"{name}.json").exists()

    def open(self) -> list[Claim]:
        """Those that are not done, oldest first."""
        found = [(path, _read(path)) for path in self._open.glob("obs-*.json")]
        claims = [claim for _, claim in found if claim is not None]
        return sorted(claims, key=lambda claim: (claim.notice.at, claim.id))

    @contextmanager
    def working_on(self, claim: Claim) -> Iterator[bool]:
        """Hold the claim; false when another watcher holds it, or when it is done by now."""
        path = self._open / f"{claim.id}.json"
        try:
            file = path.open("rb")
        except FileNotFoundError:
            yield False
            return
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield path.exists() and not self._is_done(claim.id)

    def finish(self, claim: Claim, done: str) -> None:
        """Say durably that its run was started. Hold the claim."""
        try:
            self._done.mkdir(parents=True, exist_ok=True)
            new = self._done / f".new-{claim.id}"
            with new.open("wb") as file:
                file.write(to_json(msgspec.structs.replace(claim, done=done)))
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._done / f"{claim.id}.json")
            _sync(self._done)
        except OSError as error:
            raise _disk(self.folder, error) from None
        (self._open / f"{claim.id}.json").unlink(missing_ok=True)

    def _is_done(self, name: str) -> bool:
        return (self._done / f"{name}.json").exists()


def _read(path: Path) -> Claim | None:
    try:
        return from_json(path.read_bytes(), Claim)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as error:
        raise InfraError(
            f"{path} is damaged: {error}", hint="remove it, its build counts again"
        ) from None


def _disk(folder: Path, error: OSError) -> InfraError:
    return InfraError(
        f"{folder}: {error.strerror}", hint="free some space, or give it another state"
    )


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
