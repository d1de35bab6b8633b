"""An Open Build Service through osc: its configuration, its credentials, its connection.

The only importer of osc. Credentials come from osc's own configuration file or its environment
variables (OSC_USERNAME, OSC_PASSWORD) and never leave this file.
"""

from __future__ import annotations

import base64
import contextlib
import os
import socket
import urllib.error
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

import urllib3
from osc import conf, connection, oscerr

from ci.deadline import Deadline
from ci.errors import Interrupted, UsageError, VirtciError
from ci.obs.door import Denied, NotThere, Query, Refused, Unreachable, address
from ci.obs.results import parse_answer
from ci.urls import parts_of

T = TypeVar("T")
CONNECT_SECONDS = 15.0
PATIENCE_SECONDS = 180.0  # how long an instance that does not answer is asked again
PAUSES = (0.2, 1.0, 2.0, 5.0, 10.0)
REPEATABLE = frozenset({"GET", "PUT", "DELETE"})
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class _Request:
    method: str
    path: str
    query: Query = ()
    data: bytes = b""
    file: Path | None = None
    seconds: float = 60.0

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class Api:
    """One instance, reached as the user that osc's configuration names."""

    def __init__(self, apiurl: str, user: str, *, patience: float = PATIENCE_SECONDS) -> None:
        self.apiurl = apiurl
        self.user = user
        self._patience = patience

    def call(
        self,
        method: str,
        path: str,
        deadline: Deadline,
        *,
        query: Query = (),
        data: bytes = b"",
        file: Path | None = None,
        seconds: float = 60.0,
        repeat: bool | None = None,
    ) -> bytes:
        request = _Request(method, path, query, data, file, seconds)
        may_repeat = method in REPEATABLE if repeat is None else repeat

        def once() -> bytes:
            with self._answer(request, deadline) as answer:
                body: bytes = answer.read()
                return body

        return self._patiently(once, deadline, repeat=may_repeat)

    def download(self, path: str, target: Path, deadline: Deadline, *, query: Query = ()) -> int:
        part = target.with_name(f".{target.name}.part")
        request = _Request("GET", path, query)

        def once() -> int:
            with self._answer(request, deadline) as answer, part.open("wb") as out:
                return _copy(answer, out, deadline)

        size = self._patiently(once, deadline, repeat=True)
        part.replace(target)
        return size

    def _patiently(self, once: Callable[[], T], deadline: Deadline, *, repeat: bool) -> T:
        """Ask again while nobody answers, less and less often, until the patience ends."""
        until = deadline.within(self._patience)
        tries = 0
        while True:
            try:
                return once()
            except Unreachable:
                pause = PAUSES[min(tries, len(PAUSES) - 1)]
                if not repeat or until.remaining() <= pause:
                    raise
                deadline.clock.sleep(pause)
                tries += 1

    @contextlib.contextmanager
    def _answer(self, request: _Request, deadline: Deadline) -> Iterator[Any]:
        """An open answer; every way it can fail becomes an error of ours."""
        deadline.check(str(request))
        silence = max(0.1, min(request.seconds, deadline.remaining()))
        try:
            with _silence(self.apiurl, silence):
                answer = connection.http_request(
                    request.method,
                    address(self.apiurl, request.path, request.query),
                    headers=_login(self.apiurl),
                    data=request.data or None,
                    file=None if request.file is None else str(request.file),
                )
            with contextlib.closing(answer):
                yield answer
        except urllib.error.HTTPError as error:
            raise self._refusal(request, error) from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            if deadline.stopped():
                raise Interrupted(f"stopped during {request}") from None
            raise Unreachable(
                f"{self.apiurl} does not answer {request}: {_cause(error)}",
                hint=f"is it up? try: osc -A {self.apiurl} api /about",
            ) from None

    def _refusal(self, asked: _Request, error: urllib.error.HTTPError) -> VirtciError:
        with contextlib.closing(error):
            said = _said(error)
        match error.code:
            case 401:
                return Denied(
                    f"{self.apiurl} does not accept the password of user '{self.user}'",
                    hint=f"check the section [{self.apiurl}] of osc's configuration "
                    f"({_conffile()}), then try: osc -A {self.apiurl} whois",
                )
            case 403:
                return Denied(
                    f"{self.apiurl} does not let user '{self.user}' {asked}: {said}",
                    hint="ask a maintainer of the project for the role, or use a project of yours",
                )
            case 404:
                return NotThere(f"{asked} at {self.apiurl}: {said}", hint="check the spelling")
            case code if code >= 500:
                return Unreachable(f"{self.apiurl} has trouble with {asked} ({code}): {said}")
            case code:
                return Refused(f"{self.apiurl} refuses {asked} ({code}): {said}")


def connect(
    apiurl: str = "", *, allow_http: bool = False, patience: float = PATIENCE_SECONDS
) -> Api:
    """The instance ``apiurl`` (empty: the one that osc's configuration names first).

    Raises UsageError when osc is not configured for it, or when it is plain http and neither
    the caller nor osc's configuration allows that.
    """
    if parts_of(apiurl).scheme not in ("", "http", "https"):
        raise UsageError(f"'{apiurl}' is no address of an Open Build Service (https://...)")
    try:
        with _quiet():
            conf.get_config(
                override_conffile=_conffile(),
                override_apiurl=apiurl or None,
                overrides={"http_retries": "0"},
            )
        options = conf.get_apiurl_api_host_options(conf.config["apiurl"])
        user = conf.get_apiurl_usr(conf.config["apiurl"])
    except (UnicodeDecodeError, OSError) as error:
        raise UsageError(f"osc's configuration {_conffile()} cannot be read: {error}") from None
    except oscerr.OscBaseError as error:
        raise UsageError(
            f"osc is not configured for {apiurl or 'any instance'}: {_first_line(error)}",
            hint=f"add a section to {_conffile()} (osc -A {apiurl or '<apiurl>'} whois asks for "
            "it), or set OSC_APIURL, OSC_USERNAME and OSC_PASSWORD",
        ) from None
    found: str = conf.config["apiurl"]
    if found.startswith("http://") and not (allow_http or options.allow_http):
        raise UsageError(
            f"{found} is plain http: the password would travel in the clear",
            hint="use https, or allow it: allow_http = true in the plan, --allow-http here",
        )
    return Api(found, str(user), patience=patience)


def _login(apiurl: str) -> dict[str, str]:
    """The password with the first request; osc would wait to be asked, each time, and leave the
    question unread with its connection. A key for signatures is left to osc."""
    options = conf.config["api_host_options"][apiurl]
    if options["sshkey"]:
        return {}
    try:
        coded = base64.b64encode(f"{options['user']:s}:{options['pass']:s}".encode())
    except EOFError:
        raise UsageError(
            f"osc would ask for the password of {apiurl}, and nobody is there to answer",
            hint="let osc keep it (osc config), or set OSC_PASSWORD",
        ) from None
    return {"Authorization": f"Basic {coded.decode()}"}


def _conffile() -> str:
    """osc's configuration file, or none where the environment says it all."""
    path = str(conf.identify_conf())
    named = os.environ.get("OSC_USERNAME") and os.environ.get("OSC_PASSWORD")
    if named and not Path(path).expanduser().exists():
        return "/dev/null"
    return path


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """osc warns of plain http on stderr, also of instances that are not asked; we refuse it."""
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stderr(nowhere):
        yield


@contextlib.contextmanager
def _silence(apiurl: str, seconds: float) -> Iterator[None]:
    """Limit how long the other side may be silent; osc itself sets no limit at all.

    Its connection pool does not exist before the first request, which the socket default bounds.
    """
    if (pool := connection.CONNECTION_POOLS.get(apiurl)) is not None:
        pool.timeout = urllib3.Timeout(connect=min(CONNECT_SECONDS, seconds), read=seconds)
        yield
        return
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _copy(answer: Any, out: IO[bytes], deadline: Deadline) -> int:
    size = 0
    while chunk := answer.read(CHUNK_BYTES):
        deadline.check("the rest of a download")
        size += out.write(chunk)
    return size


def _said(error: urllib.error.HTTPError) -> str:
    try:
        return parse_answer(error.read(20_000)) or str(error.reason)
    except (urllib3.exceptions.HTTPError, OSError, VirtciError):
        return str(error.reason)


def _cause(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    text = " ".join(str(reason).split())
    return text.rpartition(">: ")[2] or type(reason).__name__


def _first_line(error: Exception) -> str:
    text = str(getattr(error, "msg", "") or error).strip()
    return text.splitlines()[0] if text else type(error).__name__
