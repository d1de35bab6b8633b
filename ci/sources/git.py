"""Source kind "git": a branch, tag or commit of a repository, with patches on top."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from msgspec.structs import replace

from ci.model import Record, Tree
from ci.run import Step
from ci.sources.address import absolute, check_name, check_url, located_url, masked
from ci.sources.export import export
from ci.sources.gitmirror import Remote
from ci.sources.gitshell import PROTOCOLS


class GitSource(Record, frozen=True, kw_only=True, tag_field="kind", tag="git"):
    """``url`` is a URL or a path; ``ref`` a branch, tag or commit; submodules come along.

    ``password_env`` names the environment variable that holds the password or token of the user
    in ``url``.
    """

    url: str
    ref: str = "HEAD"
    patches: tuple[str, ...] = ()
    password_env: str = ""

    def __post_init__(self) -> None:
        check_url(self.url, PROTOCOLS)
        check_name("ref", self.ref)
        if self.password_env and ("@" not in self.url or "://" not in self.url):
            raise ValueError("password_env needs a user in the url, as in https://user@host/...")

    def located(self, base: Path) -> Self:
        patches = tuple(absolute(patch, base) for patch in self.patches)
        return replace(self, url=located_url(self.url, base), patches=patches)

    def decided(self) -> tuple[str, ...]:
        return (
            f"fetch {masked(self.url)} with git and export {self.ref}",
            *(f"apply {patch}" for patch in self.patches),
        )

    def fetch(self, step: Step, *, since: str = "") -> Tree:
        """Raises UsageError for a ref or patch that does not fit, InfraError for the network."""
        remote = Remote(url=self.url, password_env=self.password_env)
        origin = remote.look(step, self.ref, since)
        step.say(f"{masked(self.url)} {self.ref} is {origin.revision[:12]}")
        return export(
            step,
            origin,
            lambda folder: remote.checkout(step, origin.revision, folder),
            self.patches,
        )
