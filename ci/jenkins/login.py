"""Who we are to a controller. The token never enters a record, a message or a log."""

from __future__ import annotations

import netrc
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ci.errors import UsageError
from ci.urls import parts_of

HOW = "set JENKINS_URL, JENKINS_USER and JENKINS_TOKEN, or keep user and token in ~/.netrc"
LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Login:
    """A controller's root URL with a user and an API token; ``repr`` does not show the token."""

    url: str
    user: str
    token: str = field(repr=False)

    @property
    def in_the_clear(self) -> bool:
        """Whether the token travels unencrypted beyond this machine."""
        parts = parts_of(self.url)
        return parts.scheme == "http" and parts.hostname not in LOOPBACK


def login_from(environment: Mapping[str, str], home: Path) -> Login:
    """From the environment, else the URL from there and the rest from ``~/.netrc``.

    Raises UsageError when something is missing or the file is open to others.
    """
    url = environment.get("JENKINS_URL", "").strip()
    if not url:
        raise UsageError("no Jenkins controller is named", hint=HOW)
    _check_url(url)
    user, token = environment.get("JENKINS_USER", ""), environment.get("JENKINS_TOKEN", "")
    if not (user and token):
        user, token = _from_netrc(home / ".netrc", parts_of(url).hostname or "")
    return Login(url=url.rstrip("/") + "/", user=user, token=token)


def _check_url(url: str) -> None:
    parts = parts_of(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError("JENKINS_URL is no http(s) URL", hint="such as https://jenkins.example/")
    if parts.username is not None or parts.password is not None:
        raise UsageError("JENKINS_URL holds a user or a password, which would be shown", hint=HOW)


def _from_netrc(path: Path, host: str) -> tuple[str, str]:
    if not path.is_file():
        raise UsageError(f"no user and token for {host}", hint=HOW)
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise UsageError(f"{path} is open to others", hint=f"chmod 600 {path}")
    try:
        entry = netrc.netrc(path).authenticators(host)
    except netrc.NetrcParseError as error:
        raise UsageError(f"{path}, line {error.lineno}: not readable as netrc") from None
    if entry is None or not entry[0] or not entry[2]:
        raise UsageError(f"{path} has no user and token for {host}", hint=HOW)
    return entry[0], entry[2]
