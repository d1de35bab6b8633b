"""What svn tells: its XML, read; its errors, with who is to blame."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from ci.errors import InfraError, UsageError
from ci.model import Commit
from ci.shell import Completed
from ci.sources.export import plain_revision

SCHEMES = ("https", "http", "svn", "svn+ssh", "file")
MOST = 200
_NO_REVISION = re.compile(r"E160006|E195012|No such revision")
_NOT_THERE = re.compile(r"E160013|E170000|E200009|E180001|E215004.*non-existent|E155007|W170000")
_REFUSED = re.compile(r"E170001|E215004|E230001")


class Info(NamedTuple):
    """A folder: its url, the revision looked at, and the last one that changed it."""

    url: str
    revision: int
    changed: int


def target(url: str) -> str:
    """The url so that an ``@`` in it is no revision: the last ``@`` is the one that counts."""
    return f"{url}@"


def parse_info(text: str) -> Info:
    """Of ``svn info --xml``. Raises InfraError for anything else."""
    try:
        root = fromstring(text)
        return Info(
            root.findtext("entry/url", ""),
            int(root.find("entry").get("revision", "")),  # type: ignore[union-attr]
            int(root.find("entry/commit").get("revision", "")),  # type: ignore[union-attr]
        )
    except (ParseError, DefusedXmlException, AttributeError, ValueError):
        raise InfraError("svn info does not answer with its XML", detail=text[-500:]) from None


def commits_since(log: Callable[..., str], since: str, last: int) -> tuple[Commit, ...]:
    """The commits after ``since`` up to ``last``, newest first; ``log`` runs ``svn log``."""
    first = plain_revision(since)
    if not first.isdigit() or int(first) >= last:
        return ()
    args = ("--xml", "--limit", str(MOST), "-r", f"{last}:{int(first) + 1}", "--")
    return parse_log(log(*args))


def parse_log(text: str) -> tuple[Commit, ...]:
    """Of ``svn log --xml``. Raises InfraError for anything else."""
    try:
        entries = fromstring(text).findall("logentry")
    except (ParseError, DefusedXmlException):
        raise InfraError("svn log does not answer with its XML", detail=text[-500:]) from None
    return tuple(
        Commit(
            id=entry.get("revision", ""),
            author=entry.findtext("author", "") or "",
            date=entry.findtext("date", "") or "",
            subject=((entry.findtext("msg") or "").strip().splitlines() or [""])[0],
        )
        for entry in entries
    )


def svn_error(where: str, revision: str, done: Completed) -> InfraError | UsageError:
    """Who is to blame for a command of svn that failed."""
    text = done.tail()
    if _NO_REVISION.search(text):
        return UsageError(
            f"{where} has no revision {revision}", hint="see source.revision", detail=text
        )
    if _NOT_THERE.search(text):
        return UsageError(
            f"{where}: there is nothing in a Subversion repository at revision {revision}",
            hint="see source.url and source.revision",
            detail=text,
        )
    if _REFUSED.search(text):
        return InfraError(
            f"{where}: the repository refuses us",
            hint="give source.user and source.password_env",
            detail=text,
        )
    return InfraError(f"{where}: svn failed with status {done.status}", detail=text)
