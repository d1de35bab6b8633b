"""Submodules of a commit: where they belong, where they come from, which commit of them."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from ci.errors import UsageError
from ci.run import Step
from ci.sources.address import check_url, is_local, masked, scheme
from ci.sources.gitshell import PROTOCOLS, UNCONFIGURED, git

_LINK = re.compile(r"^160000 commit ([0-9a-f]+)\t(.+)$")


def submodules(
    step: Step, repository: Path, commit: str, parent: str
) -> tuple[tuple[str, str, str], ...]:
    """Path, url and commit of each. A link that .gitmodules does not name stays an empty folder."""
    here = f"--git-dir={repository}"
    pattern = r"^submodule\..*\.(path|url)$"
    args = ("config", "-z", f"--blob={commit}:.gitmodules", "--get-regexp", pattern)
    told = git(step, here, *args, env=UNCONFIGURED)
    if not told.ok:
        return ()
    urls = _urls(told.stdout)
    listed = git(step, here, "ls-tree", "-r", "-z", commit, env=UNCONFIGURED).stdout
    links = [found for row in listed.split("\0") if (found := _LINK.match(row))]
    return tuple(
        (link[2], submodule_url(urls[link[2]], parent), link[1])
        for link in links
        if link[2] in urls
    )


def submodule_url(url: str, parent: str) -> str:
    """Where a submodule comes from, seen from its parent.

    Raises UsageError for a protocol that is not used here, or when a repository of somebody else
    points at a path of this machine.
    """
    if url.startswith(("./", "../")):
        head, slashes, tail = parent.partition("://") if scheme(parent) else ("", "", parent)
        url = head + slashes + posixpath.normpath(posixpath.join(tail, url))
    try:
        check_url(url, PROTOCOLS)
    except ValueError as error:
        raise UsageError(f"{masked(parent)}: a submodule: {error}") from None
    if _here(url) and not _here(parent):
        raise UsageError(f"{masked(parent)}: a submodule points at {url} of this machine")
    return url


def _here(url: str) -> bool:
    return is_local(url) or scheme(url) == "file"


def _urls(text: str) -> dict[str, str]:
    paths: dict[str, str] = {}
    urls: dict[str, str] = {}
    for entry in filter(None, text.split("\0")):
        key, _, value = entry.partition("\n")
        name, _, what = key.rpartition(".")
        (paths if what == "path" else urls)[name] = value
    return {path: urls[name] for name, path in paths.items() if name in urls}
