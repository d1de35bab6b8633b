"""The door to a controller, and the only importer of python-jenkins.

``Door.ask`` makes one request and returns one answer, or raises an error that says who is to blame.
python-jenkins calls every 401, 403 and 500 "possibly authentication failed" with the whole page;
here each becomes what it is. A controller that restarts refuses connections for some seconds, then
answers 503 on every path: both are ``Away``.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

import jenkins
import requests
import urllib3

from ci.deadline import Deadline
from ci.errors import InfraError, UsageError
from ci.jenkins.login import Login

REQUEST_SECONDS = 60.0
CHUNK = 1 << 20
REASON_LIMIT = 300
REASONS = (
    r"<p><b>Message</b>\s*(.*?)</p>",
    r"start of main content.*?-->(.*?)<!--[^-]*end of main content",
    r"<body[^>]*>(.*)",
)
XML = {"Content-Type": "text/xml; charset=utf-8"}


class Away(InfraError):  # noqa: N818 - reads as what happened
    """The controller cannot be reached now or is starting; it may be back soon.

    ``sent`` says that a request may have been taken although no answer came.
    """

    def __init__(self, message: str, *, sent: bool, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.sent = sent


class Refused(InfraError):  # noqa: N818 - reads as what happened
    """The controller answered with an error status."""

    def __init__(self, message: str, *, status: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. ``status`` and ``location`` are the first's when redirects were followed."""

    status: int
    text: str
    headers: Mapping[str, str]
    location: str = ""


class Door:
    """One controller as one user."""

    def __init__(self, login: Login) -> None:
        self.login = login
        self.requests = 0
        self._client = jenkins.Jenkins(login.url, login.user, login.token, retries=0)
        # The library lets an environment variable turn certificate checks off; a token is at stake.
        self._client._session.verify = True  # noqa: SLF001 - it has no public name

    def ask(
        self,
        method: str,
        path: str,
        deadline: Deadline,
        *,
        query: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        xml: str | None = None,
    ) -> Answer | None:
        """Make one request; None when there is no such thing (404).

        Raises Away, Refused, UsageError (login refused, certificate not trusted).
        """
        request = requests.Request(
            method,
            self.url(path, query),
            data=form if xml is None else xml.encode(),
            headers={} if xml is None else XML,
        )
        return _answer(self._send(request, deadline))

    def url(self, path: str, query: Mapping[str, str] | None = None) -> str:
        return self.login.url + path.lstrip("/") + (f"?{urlencode(query)}" if query else "")

    def download(self, path: str, target: Path, deadline: Deadline) -> bool:
        """Stream a file to ``target``, whole or not at all; False when it is not there."""
        response = self._send(requests.Request("GET", self.url(path)), deadline, stream=True)
        if response is None:
            return False
        part = target.with_name(f".{target.name}.part")
        part.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            for chunk in _chunks(response, self.login.url):
                deadline.check(f"download of {target.name}")
                file.write(chunk)
        part.replace(target)
        return True

    def _send(
        self, request: requests.Request, deadline: Deadline, *, stream: bool = False
    ) -> requests.Response | None:
        try:
            return self._once(request, deadline, stream=stream)
        except Refused as refused:
            if refused.status != requests.codes.forbidden or not self._client.crumb:
                raise
            # A crumb belongs to a session, and a restart ends all sessions: take a new one.
            self._client.crumb = None
            return self._once(request, deadline, stream=stream)

    def _once(
        self, request: requests.Request, deadline: Deadline, *, stream: bool
    ) -> requests.Response | None:
        deadline.check(f"asking {self.login.url}")
        self._client.timeout = max(0.1, min(REQUEST_SECONDS, deadline.remaining()))
        self.requests += 1
        try:
            response: requests.Response = self._client.jenkins_request(request, stream=stream)
        except jenkins.NotFoundException:
            return None
        except (jenkins.JenkinsException, requests.RequestException) as error:
            raise _told(error, self.login, request) from None
        return response


def job_path(name: str) -> str:
    """``a/b`` is ``job/a/job/b``; every part is quoted."""
    return "/".join(f"job/{quote(part, safe='')}" for part in name.split("/") if part)


def _answer(response: requests.Response | None) -> Answer | None:
    if response is None:
        return None
    # A 303 to an item that is already queued is followed, and the last answer has no Location.
    first = response.history[0] if response.history else response
    location = first.headers.get("Location", "")
    if response.encoding is None or "charset" not in response.headers.get("Content-Type", ""):
        response.encoding = "utf-8"
    return Answer(first.status_code, response.text, response.headers, location)


def _chunks(response: requests.Response, url: str) -> Iterator[bytes]:
    try:
        yield from response.iter_content(CHUNK)
    except requests.RequestException as error:
        raise Away(f"{url}: the download broke off: {_cause(error)}", sent=True) from None


def _told(error: Exception, login: Login, request: requests.Request) -> InfraError | UsageError:
    http = _http_error(error)
    if http is not None and http.response is not None:
        return _by_status(http.response, login, request)
    if isinstance(error, requests.exceptions.SSLError):
        return UsageError(
            f"{login.url}: the certificate is not trusted: {_cause(error)}",
            hint="put the authority's certificate into a file and name it in REQUESTS_CA_BUNDLE",
        )
    refused = isinstance(_innermost(error), urllib3.exceptions.NewConnectionError)
    return Away(
        f"{login.url} cannot be reached: {_cause(error)}",
        sent=not refused,
        hint="is the URL right, and the controller running?",
    )


def _http_error(error: BaseException) -> requests.HTTPError | None:
    """The library hides the HTTP error behind one of its own, raised while handling it."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, requests.HTTPError):
        found = found.__context__
    return found


def _by_status(
    response: requests.Response, login: Login, request: requests.Request
) -> InfraError | UsageError:
    status, what = response.status_code, f"{request.method} {_shown(str(request.url), login)}"
    reason = reason_in(response.text)
    if status == requests.codes.unauthorized or reason.startswith("Authentication required"):
        return UsageError(
            f"{login.url} does not know the user {login.user} with this token",
            hint="make a new API token on the controller, under the user's name, Security",
        )
    if status == requests.codes.service_unavailable:
        return Away(f"{login.url} is starting (503)", sent=False)
    if status in (requests.codes.bad_gateway, requests.codes.gateway_timeout):
        return Away(f"{login.url}: the proxy in front of it gets no answer ({status})", sent=True)
    hint = ""
    if status == requests.codes.forbidden:
        hint = "virtci jenkins doctor tells which permissions are missing"
    elif "Logging ID" in reason:
        hint = "the reason stands only in the controller's own log, under that ID"
    return Refused(f"{what}: {status} {reason}".strip(), status=status, hint=hint)


def reason_in(page: str) -> str:
    """What an error page says, in one line: pages are up to 130 kB of markup."""
    if logging_id := re.search(r"Logging ID=\s*([0-9a-f-]{36})", page):
        return f"an error without a reason (Logging ID {logging_id[1]})"
    for pattern in REASONS:
        if found := re.search(pattern, page, re.DOTALL):
            return _plain(found[1])
    return _plain(page)


def _plain(markup: str) -> str:
    bare = re.sub(
        r"<(script|style|svg|head)\b.*?</\1>|<!--.*?(?:-->|$)|<[^>]*>", " ", markup, flags=re.S
    )
    return " ".join(html.unescape(bare).split())[:REASON_LIMIT]


def _shown(url: str, login: Login) -> str:
    """A URL for messages: without the query, whose parameters may hold secrets."""
    return url.removeprefix(login.url).partition("?")[0]


def _innermost(error: BaseException) -> BaseException:
    inner = error.args[0] if error.args else None
    reason = getattr(inner, "reason", None)
    return reason if isinstance(reason, BaseException) else error


def _cause(error: BaseException) -> str:
    text = str(_innermost(error)).replace("\n", " ")
    return re.sub(r"^.*?object at 0x[0-9a-f]+>: ", "", re.sub(r"\?\S*", "", text))[:REASON_LIMIT]
