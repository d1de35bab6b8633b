"""Source kind "svn": a folder of a Subversion repository at a revision, with patches on top."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Self

from msgspec import Meta
from msgspec.structs import replace

from ci.errors import InfraError, UsageError
from ci.model import Record, Tree
from ci.run import Step
from ci.shell import Completed
from ci.sources.address import absolute, check_name, check_url, is_local, located_url, masked
from ci.sources.export import Origin, export
from ci.sources.svnlog import SCHEMES, commits_since, parse_info, svn_error, target

Revision = Annotated[str, Meta(pattern=r"^(HEAD|[0-9]+)$")]


class SvnSource(Record, frozen=True, kw_only=True, tag_field="kind", tag="svn"):
    """``url`` with its branch in it (``.../trunk``); ``revision`` a number or "HEAD".

    ``password_env`` names the environment variable that holds the password of ``user``.
    """

    url: str
    revision: Revision | Annotated[int, Meta(ge=0)] = "HEAD"
    patches: tuple[str, ...] = ()
    user: str = ""
    password_env: str = ""

    def __post_init__(self) -> None:
        check_url(self.url, SCHEMES)
        if self.user:
            check_name("user", self.user)
        if self.password_env and not self.user:
            raise ValueError("password_env needs the key user")

    def located(self, base: Path) -> Self:
        patches = tuple(absolute(patch, base) for patch in self.patches)
        return replace(self, url=located_url(self.url, base), patches=patches)

    def decided(self) -> tuple[str, ...]:
        return (
            f"export {masked(self.url)} at revision {self.revision} with svn",
            *(f"apply {patch}" for patch in self.patches),
        )

    def fetch(self, step: Step, *, since: str = "") -> Tree:
        """``Tree.revision`` is the number of the last change at or before the one asked for.

        Raises UsageError for a url, revision or patch that does not fit, InfraError for the rest.
        """
        url = self._repository()
        told = self._must(step, "info", "--xml", "-r", str(self.revision), "--", target(url))
        last = parse_info(told.stdout).changed
        log = lambda *args: self._must(step, "log", *args, target(url)).stdout  # noqa: E731
        origin = Origin(
            name=masked(self.url), revision=str(last), commits=commits_since(log, since, last)
        )
        return export(step, origin, lambda folder: self._export(step, url, folder), self.patches)

    def _repository(self) -> str:
        if not is_local(self.url):
            return self.url
        if not Path(self.url).is_dir():
            raise UsageError(f"{self.url}: there is no such folder", hint="see source.url")
        return Path(self.url).as_uri()

    def _export(self, step: Step, url: str, folder: Path) -> None:
        step.say(f"exporting {masked(url)}")
        args = ("--quiet", "--force", "-r", str(self.revision), "--", target(url), str(folder))
        self._must(step, "export", *args)

    def _must(self, step: Step, command: str, *args: str) -> Completed:
        login: tuple[str, ...] = ("--username", self.user) if self.user else ()
        secret = None
        if self.password_env:
            login += ("--password-from-stdin",)
            secret = os.environ.get(self.password_env, "")
            if not secret:
                raise UsageError(
                    f"the environment variable {self.password_env} (source.password_env) is not set"
                )
        done = step.shell.run(
            ("svn", command, "--non-interactive", "--no-auth-cache", *login, *args),
            step.deadline,
            env={"LC_ALL": "C.UTF-8"},
            stdin=secret,
        )
        if not done.ok:
            raise self._error(step, done)
        return done

    def _error(self, step: Step, done: Completed) -> InfraError | UsageError:
        return svn_error(masked(self.url), str(self.revision), done)
