"""A git repository as we see it: through a bare copy that is kept between runs."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from ci.errors import InfraError, UsageError
from ci.model import Record
from ci.run import Step
from ci.shell import Completed
from ci.sources.address import is_local, masked
from ci.sources.export import Origin
from ci.sources.gitlog import commits_since, described
from ci.sources.gitshell import UNCONFIGURED, git
from ci.sources.mirror import MirrorDamagedError, with_mirror
from ci.sources.submodules import submodules

T = TypeVar("T")
HEAD = "refs/virtci/HEAD"
EXTRA = "refs/virtci/extra"
REFSPECS = (f"+HEAD:{HEAD}", "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
DEEPEST = 5
_HASH = re.compile(r"^[0-9a-f]{40}([0-9a-f]{24})?$")
_DAMAGE = re.compile(
    r"corrupt|unable to (read|unpack|open)|inflate|missing|is empty|bad object|packfile"
    r"|not a git repository|invalid sha1|could not (read|parse)",
    re.IGNORECASE,
)
_NOT_THERE = re.compile(
    r"does not appear to be a git repository|repository .*not found|does not exist"
    r"|couldn't find remote ref HEAD|not a git repository",
    re.IGNORECASE,
)
_REFUSED = re.compile(
    r"authentication failed|could not read (username|password)|permission denied"
    r"|host key verification failed|returned error: 40[13]",
    re.IGNORECASE,
)
_HELPER = '!f() { test "$1" = get && printf "password=%s\\n" "$VIRTCI_GIT_PASSWORD"; }; f'


class Remote(Record, frozen=True, kw_only=True):
    """A repository somewhere else."""

    url: str
    password_env: str = ""

    def look(self, step: Step, ref: str, since: str) -> Origin:
        """What ``ref`` is there now. Raises UsageError when there is no such ref."""

        def use(mirror: Path) -> Origin:
            commit = self._commit(step, mirror, ref)
            return Origin(
                name=f"{masked(self.url)} {ref}",
                revision=commit,
                version=described(step, mirror, commit),
                commits=commits_since(step, mirror, since, commit),
            )

        return self._with_mirror(step, ref, use)

    def checkout(self, step: Step, commit: str, folder: Path, depth: int = 0) -> None:
        """The files of a commit and of its submodules, nothing else, below ``folder``."""

        def use(mirror: Path) -> tuple[tuple[str, str, str], ...]:
            self._commit(step, mirror, commit)
            self._files(step, mirror, commit, folder)
            return submodules(step, mirror, commit, self.url)

        for path, url, inner in self._with_mirror(step, commit, use):
            if depth == DEEPEST:
                raise UsageError(f"{masked(self.url)}: submodules are nested deeper than {DEEPEST}")
            remote = Remote(
                url=url, password_env=self.password_env if _beside(url, self.url) else ""
            )
            remote.checkout(step, inner, folder / path, depth + 1)

    def _with_mirror(self, step: Step, ref: str, use: Callable[[Path], T]) -> T:
        if is_local(self.url) and not Path(self.url).is_dir():
            raise UsageError(f"{self.url}: there is no such folder", hint="see source.url")

        def update(mirror: Path) -> None:
            if not (_HASH.match(ref) and _resolve(step, mirror, ref).ok):
                self._update(step, mirror)

        return with_mirror(
            step,
            "git",
            self.url,
            create=lambda mirror: self._create(step, mirror),
            update=update,
            use=use,
        )

    def _create(self, step: Step, mirror: Path) -> None:
        _must(git(step, "init", "--quiet", "--bare", str(mirror), env=UNCONFIGURED))
        done = self._fetch(step, mirror, *REFSPECS)
        if not done.ok:
            raise self._error(done)

    def _update(self, step: Step, mirror: Path) -> None:
        done = self._fetch(step, mirror, *REFSPECS)
        if done.ok:
            return
        # Either the remote or our copy is at fault; the remote can be asked without the copy.
        asked = self._ask(step, "ls-remote", "--quiet", "--", self.url, "HEAD")
        if not asked.ok:
            raise self._error(asked)
        if not asked.stdout.strip():
            raise self._error(done)
        raise _damaged(done)

    def _fetch(self, step: Step, mirror: Path, *refspecs: str) -> Completed:
        options = ("--quiet", "--force", "--prune", "--no-tags", "--no-write-fetch-head")
        at = f"--git-dir={mirror}"
        return self._ask(
            step, at, "fetch", *options, "--no-recurse-submodules", "--", self.url, *refspecs
        )

    def _ask(self, step: Step, *args: str) -> Completed:
        """A command that talks to the remote; the password is in the environment alone."""
        if not self.password_env:
            return git(step, *args)
        password = os.environ.get(self.password_env, "")
        if not password:
            raise UsageError(
                f"the environment variable {self.password_env} (source.password_env) is not set"
            )
        helper = ("-c", "credential.helper=", "-c", f"credential.helper={_HELPER}")
        return git(step, *helper, *args, env={"VIRTCI_GIT_PASSWORD": password})

    def _error(self, done: Completed) -> InfraError | UsageError:
        text = masked(done.tail())
        where = masked(self.url)
        if "couldn't find remote ref HEAD" in text:
            return UsageError(f"{where}: the repository has no commit yet", detail=text)
        if _REFUSED.search(text):
            return InfraError(
                f"{where}: the repository refuses us",
                hint="give access by an SSH key, git's credential store, or source.password_env",
                detail=text,
            )
        if _NOT_THERE.search(text):
            return UsageError(
                f"{where}: there is no git repository", hint="see source.url", detail=text
            )
        return InfraError(f"{where}: git cannot fetch from there", detail=text)

    def _commit(self, step: Step, mirror: Path, ref: str) -> str:
        done = _resolve(step, mirror, ref)
        if not done.ok and (_HASH.match(ref) or ref.startswith("refs/")):
            # Not on a branch or tag (a change under review); many servers give it when asked.
            self._fetch(step, mirror, f"+{ref}:{EXTRA}/{ref}")
            done = _resolve(step, mirror, f"{EXTRA}/{ref}")
        if done.ok:
            return done.stdout.strip()
        if _DAMAGE.search(done.stderr):
            raise _damaged(done)
        raise UsageError(
            f'{masked(self.url)} has no branch, tag or commit "{ref}"{_near(step, mirror, ref)}',
            hint="see source.ref",
            detail=done.tail() if "ambiguous" in done.stderr else "",
        )

    def _files(self, step: Step, mirror: Path, commit: str, folder: Path) -> None:
        """No ``git archive``: that leaves out and rewrites files as .gitattributes says."""
        folder.mkdir(parents=True, exist_ok=True)
        index = step.folder / "index.new"
        index.unlink(missing_ok=True)
        env = {**UNCONFIGURED, "GIT_INDEX_FILE": str(index)}
        here = (f"--git-dir={mirror}", f"--work-tree={folder}")
        for command in (("read-tree", commit), ("checkout-index", "--all", "--force", "--quiet")):
            done = git(step, *here, *command, env=env)
            if not done.ok:
                raise _damaged(done)
        index.unlink(missing_ok=True)


def _resolve(step: Step, mirror: Path, ref: str) -> Completed:
    name = HEAD + ref[4:] if re.match(r"HEAD($|[~^@])", ref) else ref
    args = ("rev-parse", "--verify", "--end-of-options", f"{name}^{{commit}}")
    return git(step, f"--git-dir={mirror}", *args, env=UNCONFIGURED)


def _near(step: Step, mirror: Path, ref: str) -> str:
    """The names there are that look most like ``ref``; any few when none does."""
    args = (
        "for-each-ref",
        "--format=%(refname:lstrip=2)",
        "--sort=-creatordate",
        "refs/heads",
        "refs/tags",
    )
    names = git(step, f"--git-dir={mirror}", *args, env=UNCONFIGURED).stdout.split()
    if close := difflib.get_close_matches(ref, names, n=3, cutoff=0.5):
        return f"; near to it: {', '.join(close)}"
    return f"; there are: {', '.join(names[:5])}" if names else ""


def _beside(url: str, parent: str) -> bool:
    """Whether the same host serves both, so that the parent's password is meant for it."""
    return url.split("/")[:3] == parent.split("/")[:3]


def _damaged(done: Completed) -> InfraError:
    if "No space left" in done.stderr:
        return InfraError("the disk is full while checking out", detail=masked(done.tail()))
    return MirrorDamagedError("git cannot read the copy", detail=masked(done.tail()))


def _must(done: Completed) -> None:
    if not done.ok:
        raise InfraError("git cannot make a repository in the cache folder", detail=done.tail())
