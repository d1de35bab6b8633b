"""Source kind "tarball": an archive by path, URL or name of a Debian source package."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import unquote

from msgspec import Meta
from msgspec.structs import replace

from ci.errors import UsageError
from ci.model import Record, Tree
from ci.run import Step
from ci.sources.address import absolute, check_name, check_url, masked, scheme
from ci.sources.content import file_sha256
from ci.sources.debian import debian_original
from ci.sources.download import download
from ci.sources.export import Origin, export
from ci.sources.unpacked import unpack_once
from ci.sources.version import archive_version
from ci.urls import parts_of

Sha256 = Annotated[str, Meta(pattern=r"^([0-9a-f]{64})?$")]
DEBIAN = "debian-source:"
_DEBIAN = re.compile(r"^debian-source:[a-z0-9][a-z0-9+.-]+(=[A-Za-z0-9.+:~-]+)?$")


class TarballSource(Record, frozen=True, kw_only=True, tag_field="kind", tag="tarball"):
    """``path`` or ``url`` (file://, http://, https://, debian-source:NAME or NAME=VERSION).

    ``sha256`` is needed for http and https; Debian's signed index knows it for debian-source.
    """

    path: str = ""
    url: str = ""
    sha256: Sha256 = ""
    patches: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if bool(self.path) == bool(self.url):
            raise ValueError("a tarball needs either path or url")
        if self.url.startswith(DEBIAN):
            if not _DEBIAN.match(self.url):
                raise ValueError("expected debian-source:NAME or debian-source:NAME=VERSION")
        elif self.url:
            check_url(self.url, ("https", "http", "file"))
            if not scheme(self.url):
                raise ValueError('the url has no scheme; for a file of this machine use "path"')
            if scheme(self.url) != "file" and not self.sha256:
                raise ValueError("a tarball from the network needs its sha256")
        else:
            check_name("path", self.path)

    def located(self, base: Path) -> Self:
        patches = tuple(absolute(patch, base) for patch in self.patches)
        path = absolute(self.path, base) if self.path else ""
        return replace(self, path=path, patches=patches)

    def decided(self) -> tuple[str, ...]:
        sum_of = self.sha256 or ("the signed index" if self.url.startswith(DEBIAN) else "")
        checked = f", check its sha256 against {sum_of}" if sum_of else ""
        return (
            f"take {masked(self.path or self.url)}{checked}, unpack it",
            *(f"apply {patch}" for patch in self.patches),
        )

    def fetch(self, step: Step, *, since: str = "") -> Tree:
        """An archive has no history, so nothing is told ``since``.

        Raises UsageError for a digest, archive or patch that does not fit, InfraError for the lab.
        """
        archive = self._archive(step)
        digest = file_sha256(archive)
        if self.sha256 and digest != self.sha256:
            raise UsageError(
                f"{masked(self.path or self.url)}: the sha256 is {digest},"
                f" but the plan says {self.sha256}",
                hint="take the archive that is meant, or correct source.sha256",
            )
        origin = Origin(name=archive.name, revision=digest, version=archive_version(archive.name))
        return export(
            step, origin, lambda folder: unpack_once(step, archive, digest, folder), self.patches
        )

    def _archive(self, step: Step) -> Path:
        if self.url.startswith(DEBIAN):
            return debian_original(step, self.url.removeprefix(DEBIAN))
        if scheme(self.url) in ("http", "https"):
            return download(step, self.url, self.sha256)
        path = Path(unquote(parts_of(self.url).path) if self.url else self.path)
        if not path.is_file():
            raise UsageError(f"{path}: there is no such file", hint="see [source]")
        return path
