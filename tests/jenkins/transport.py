"""Two ways to a stand-in: within the process (a requests adapter), and over a real socket."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any

import requests
from requests.adapters import BaseAdapter
from urllib3.exceptions import NewConnectionError
from urllib3.response import HTTPResponse

from ci.jenkins.api import Door
from ci.jenkins.controller import Controller
from ci.jenkins.login import Login
from tests.jenkins import web
from tests.jenkins.exchange import GoneError, Reply
from tests.jenkins.standin import StandIn


class StandInAdapter(BaseAdapter):
    """Takes the place of a socket: python-jenkins and requests above it are the real ones."""

    def __init__(self, state: StandIn) -> None:
        super().__init__()
        self.state = state

    def send(
        self, request: requests.PreparedRequest, *_args: Any, **_kwargs: Any
    ) -> requests.Response:
        body = request.body or b""
        data = body.encode() if isinstance(body, str) else body
        headers = {name: str(value) for name, value in request.headers.items()}
        if not isinstance(data, bytes):
            raise TypeError("the stand-in takes whole bodies only")
        try:
            reply = web.answer(self.state, str(request.method), request.path_url, headers, data)
        except GoneError:
            cause = NewConnectionError(None, "Connection refused")  # type: ignore[arg-type]
            reason = _UnreachableError(cause)
            raise requests.ConnectionError(reason, request=request) from None
        return _response(request, reply)

    def close(self) -> None: ...


class _UnreachableError(Exception):
    """As urllib3 wraps the reason."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(str(reason))
        self.reason = reason


def _response(request: requests.PreparedRequest, reply: Reply) -> requests.Response:
    raw = HTTPResponse(
        body=BytesIO(reply.body), headers=reply.headers, status=reply.status, preload_content=False
    )
    response = requests.Response()
    response.status_code, response.raw, response.request = reply.status, raw, request
    response.headers.update(reply.headers)
    response.url = str(request.url)
    response.encoding = requests.utils.get_encoding_from_headers(response.headers)
    return response


def controller_on(state: StandIn, token: str | None = None) -> Controller:
    """A controller whose requests end in the stand-in."""
    door = Door(Login(state.url, state.user, state.token if token is None else token))
    door._client._session.mount(state.url, StandInAdapter(state))
    return Controller(door)


@contextmanager
def served(state: StandIn) -> Iterator[str]:
    """The stand-in on a loopback port; its URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # one packet an answer: no 40 ms of delayed acknowledgement

        def log_message(self, format: str, *args: Any) -> None: ...  # noqa: A002

        def do_GET(self) -> None:
            self._serve()

        def do_POST(self) -> None:
            self._serve()

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            try:
                with lock:
                    headers: Mapping[str, str] = dict(self.headers.items())
                    reply = web.answer(state, self.command, self.path, headers, body)
            except GoneError:
                self.close_connection = True
                return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

    lock = threading.Lock()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield state.url
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
