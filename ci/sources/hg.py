"""Source kind "hg": a revision of a Mercurial repository, with patches on top."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Self, TypeVar

from msgspec.structs import replace

from ci.errors import InfraError, UsageError
from ci.model import Record, Tree
from ci.run import Step
from ci.shell import Completed
from ci.sources.address import absolute, check_name, check_url, is_local, located_url, masked
from ci.sources.export import Origin, export
from ci.sources.hglog import commits_since, described, hg
from ci.sources.mirror import MirrorDamagedError, with_mirror

T = TypeVar("T")
SCHEMES = ("https", "http", "ssh", "file")
_UNKNOWN = re.compile(
    r"unknown revision|hidden revision|empty revision set|parse error|ambiguous identifier"
)
_NOT_THERE = re.compile(
    r"repository .* not found|HTTP Error 404|does not appear to be an hg repository"
)


class HgSource(Record, frozen=True, kw_only=True, tag_field="kind", tag="hg"):
    """``url`` is a URL or a path; ``rev`` a branch, tag, bookmark or changeset.

    Passwords are left to Mercurial's own settings ([auth] or its keyring).
    """

    url: str
    rev: str = "default"
    patches: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_url(self.url, SCHEMES)
        check_name("rev", self.rev)

    def located(self, base: Path) -> Self:
        patches = tuple(absolute(patch, base) for patch in self.patches)
        return replace(self, url=located_url(self.url, base), patches=patches)

    def decided(self) -> tuple[str, ...]:
        return (
            f"pull {masked(self.url)} with hg and export {self.rev}",
            *(f"apply {patch}" for patch in self.patches),
        )

    def fetch(self, step: Step, *, since: str = "") -> Tree:
        """Raises UsageError for a rev or patch that does not fit, InfraError for the network."""
        if is_local(self.url) and not Path(self.url).is_dir():
            raise UsageError(f"{self.url}: there is no such folder", hint="see source.url")

        def use(mirror: Path) -> Tree:
            node = self._node(step, mirror)
            origin = Origin(
                name=f"{masked(self.url)} {self.rev}",
                revision=node,
                version=described(step, mirror, node),
                commits=commits_since(step, mirror, since, node),
            )
            return export(
                step, origin, lambda folder: _archive(step, mirror, node, folder), self.patches
            )

        return self._with_mirror(step, use)

    def _with_mirror(self, step: Step, use: Callable[[Path], T]) -> T:
        return with_mirror(
            step,
            "hg",
            self.url,
            create=lambda mirror: self._create(step, mirror),
            update=lambda mirror: self._update(step, mirror),
            use=use,
        )

    def _create(self, step: Step, mirror: Path) -> None:
        args = ("--noupdate", "--pull", "--quiet", "--", self.url, str(mirror))
        done = hg(step, "clone", *args)
        if not done.ok:
            raise self._error(done)

    def _update(self, step: Step, mirror: Path) -> None:
        done = hg(step, "pull", "--quiet", "--", self.url, cwd=mirror)
        if done.ok:
            return
        # Either the remote or our copy is at fault; the remote can be asked without the copy.
        asked = hg(step, "identify", "--id", "--", self.url)
        raise _damaged(done) if asked.ok else self._error(asked)

    def _error(self, done: Completed) -> InfraError | UsageError:
        text = masked(done.tail())
        where = masked(self.url)
        if _NOT_THERE.search(text):
            return UsageError(
                f"{where}: there is no Mercurial repository", hint="see source.url", detail=text
            )
        return InfraError(f"{where}: hg cannot pull from there", detail=text)

    def _node(self, step: Step, mirror: Path) -> str:
        done = hg(step, "log", "--template={node}\n", f"--rev={self.rev}", cwd=mirror)
        nodes = done.stdout.split()
        if done.ok and len(nodes) == 1:
            return nodes[0]
        if done.ok and nodes:
            raise UsageError(
                f'"{self.rev}" is {len(nodes)} revisions, not one', hint="see source.rev"
            )
        if not done.ok and not _UNKNOWN.search(done.stderr):
            raise _damaged(done)
        raise UsageError(
            f'{masked(self.url)} has no branch, tag, bookmark or changeset "{self.rev}"'
            + _near(step, mirror, self.rev),
            hint="see source.rev",
        )


def _archive(step: Step, mirror: Path, node: str, folder: Path) -> None:
    plain = ("--config", "ui.archivemeta=no")
    done = hg(
        step, "archive", *plain, "--type=files", f"--rev={node}", "--", str(folder), cwd=mirror
    )
    if not done.ok:
        raise _damaged(done)


def _near(step: Step, mirror: Path, rev: str) -> str:
    names: list[str] = []
    for command, name in (("branches", "branch"), ("tags", "tag"), ("bookmarks", "bookmark")):
        names += hg(step, command, f"--template={{{name}}}\n", cwd=mirror).stdout.split("\n")
    names = [name for name in names if name and name != "tip"]
    if close := difflib.get_close_matches(rev, names, n=3, cutoff=0.5):
        return f"; near to it: {', '.join(close)}"
    return f"; there are: {', '.join(names[:5])}" if names else ""


def _damaged(done: Completed) -> InfraError:
    if "No space left" in done.stderr:
        return InfraError("the disk is full while checking out", detail=done.tail())
    return MirrorDamagedError("hg cannot read the copy", detail=masked(done.tail()))
