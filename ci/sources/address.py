"""Addresses and names of a plan that end up as arguments of other programs: checked, masked."""

from __future__ import annotations

import re
from pathlib import Path

_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*)://")
_SCP_LIKE = re.compile(r"^[^/:]+:")
_USERINFO = re.compile(r"(://)[^/@\s'\"]+@")
_PASSWORD = re.compile(r"://[^/@]*:[^/@]*@")


def is_local(url: str) -> bool:
    """Whether this is a path of this machine and no URL (``host:path`` is SSH to git)."""
    return not _SCHEME.match(url) and not _SCP_LIKE.match(url)


def scheme(url: str) -> str:
    """The scheme in small letters; empty for a path."""
    found = _SCHEME.match(url)
    return found[1].lower() if found else ""


def masked(text: str) -> str:
    """A text in which no URL shows a user or a password."""
    return _USERINFO.sub(r"\1***@", text)


def check_url(url: str, schemes: tuple[str, ...]) -> None:
    """Raise ValueError, for the decoder to place, unless ``url`` is a path or of a known scheme."""
    check_name("url", url)
    if _PASSWORD.search(url):
        raise ValueError(
            "the url has a password in it, and plans are kept; name an environment variable"
            " in password_env, or leave it to the tool's own store"
        )
    found = scheme(url)
    if "::" in url.partition("/")[0] or (found and found not in schemes):
        raise ValueError(f'the url "{masked(url)}" is of no kind used here: {", ".join(schemes)}')


def check_name(key: str, value: str) -> None:
    """Raise ValueError for what another program could take for an option, or that is empty."""
    if not value.strip():
        raise ValueError(f"{key} is empty")
    if value.startswith("-"):
        raise ValueError(f'{key} "{value}" starts with a dash and would be taken for an option')
    if any(ord(char) < 32 or ord(char) == 127 for char in value):
        raise ValueError(f"{key} contains a control character")


def absolute(path: str, base: Path) -> str:
    """A path of a plan, seen from ``base``; ``~`` is the user's home."""
    return str(Path(base, Path(path).expanduser()))


def located_url(url: str, base: Path) -> str:
    """The same for what may be a path or a URL."""
    return absolute(url, base) if is_local(url) else url
