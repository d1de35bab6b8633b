"""What is done on an outer host: images put there once, domains begun, kept an eye on, ended."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from ci import places
from ci.cached import locked
from ci.codec import fingerprint
from ci.deadline import Deadline
from ci.deploy.sshshell import SshShell
from ci.errors import InfraError
from ci.nested.image import Image, Say
from ci.nested.outer import Outer
from ci.shell import Argv, Completed

IMAGE_FILES = ("disk.qcow2", "vmlinux", "initrd", "xen")
VERB_SECONDS = 180.0


@dataclass(frozen=True)
class Hosting:
    """One nested host's place on its outer host; ``name`` is that of its domain."""

    shell: SshShell
    outer: Outer
    name: str

    @property
    def folder(self) -> str:
        return f"{self.outer.place}/hosts/{self.name}"

    def put_image(self, image: Image, deadline: Deadline, *, say: Say) -> str:
        """The image's folder there. It is uploaded aside and gets its name when it is whole."""
        key = fingerprint(self.outer.uri, self.outer.place, image.key)
        with locked(places.cache_folder("outer") / key, deadline, say=say):
            if not self._ask("has", deadline, image.key).ok:
                say(f"uploading {image.key} to {self.shell.where}, once")
                self._upload(image, deadline)
        return f"{self.outer.place}/images/{image.key}"

    def begin(self, image: Image, seconds: int, deadline: Deadline) -> str:
        """Make its disk, and start what ends it in time; return what was removed before."""
        removed = self._must("begin", deadline, image.key)
        self._must("keep", deadline, str(seconds), before=("setsid", "--fork"))
        return removed.strip()

    def start(self, xml: str, deadline: Deadline) -> Completed:
        return self._ask("start", deadline, stdin=xml)

    def state(self, deadline: Deadline) -> str:
        """What libvirt says of it; "" when it is not known there."""
        return self._ask("state", deadline).stdout.strip()

    def end(self, deadline: Deadline) -> None:
        """Remove the domain and its folder; nothing happens when they are gone."""
        self._must("end", deadline)

    def list(self, deadline: Deadline) -> tuple[tuple[str, ...], ...]:
        """Name, whether somebody keeps it, and state of all nested hosts there."""
        told = self._must("list", deadline)
        return tuple(tuple(line.split(maxsplit=2)) for line in told.splitlines())

    def sweep(self, deadline: Deadline) -> str:
        """Remove the hosts that nobody keeps; return what was removed."""
        return self._must("sweep", deadline).strip()

    def _upload(self, image: Image, deadline: Deadline) -> None:
        partial = f".partial-{image.key}-{secrets.token_hex(4)}"
        folder = f"{self.outer.place}/images/{partial}"
        there = [name for name in IMAGE_FILES if Path(image.path(name)).exists()]
        self.shell.put_many([(Path(image.path(n)), f"{folder}/{n}") for n in there], deadline)
        self._must("settle", deadline, image.key, partial)

    def _must(self, verb: str, deadline: Deadline, *arguments: str, before: Argv = ()) -> str:
        done = self._ask(verb, deadline, *arguments, before=before)
        if not done.ok:
            message = f"{self.shell.where} cannot {verb} the nested host {self.name}"
            raise InfraError(message, detail=done.tail(10))
        return done.stdout

    def _ask(
        self,
        verb: str,
        deadline: Deadline,
        *arguments: str,
        before: Argv = (),
        stdin: str | None = None,
    ) -> Completed:
        place = (verb, self.outer.local_uri, self.outer.place, self.name)
        argv = (*before, "sh", "-c", _script(), "virtci", *place, *arguments)
        return self.shell.run(argv, deadline.within(VERB_SECONDS), stdin=stdin)


@cache
def _script() -> str:
    return files("ci.nested").joinpath("outer.sh").read_text(encoding="utf-8")
