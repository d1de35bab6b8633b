"""HTTP around a desk: bounded in size, time and number, loopback unless said otherwise."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

from ci.errors import InfraError
from ci.hook.desk import Desk, Verdict

MOST_BYTES = 1 << 20
AT_ONCE = 16
SECONDS = 10.0
_log = logging.getLogger(__name__)


class Server(ThreadingHTTPServer):
    """At most ``AT_ONCE`` calls at a time; a further one is told to come again."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], desk: Desk) -> None:
        self.desk = desk
        self.slots = threading.BoundedSemaphore(AT_ONCE)
        super().__init__(address, Handler)


class Handler(BaseHTTPRequestHandler):
    """One call."""

    server: Server
    server_version = "virtci"
    sys_version = ""
    timeout: ClassVar[float] = SECONDS

    def do_POST(self) -> None:
        if not self.server.slots.acquire(blocking=False):
            self._answer(Verdict(503, "too many calls at once; call again later"))
            return
        try:
            self._answer(self._judged())
        finally:
            self.server.slots.release()

    def do_GET(self) -> None:
        self._answer(Verdict(405, "only POST"))

    do_PUT = do_DELETE = do_HEAD = do_PATCH = do_OPTIONS = do_GET  # noqa: N815 - http.server's names

    def _judged(self) -> Verdict:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or self.headers.get("Transfer-Encoding"):
            return Verdict(411, "Content-Length is needed")
        if int(length) > MOST_BYTES:
            return Verdict(413, f"at most {MOST_BYTES} bytes")
        body = self.rfile.read(int(length))
        if len(body) != int(length):
            return Verdict(400, "the body is cut")
        path = self.path.partition("?")[0]
        return self.server.desk.judge(path, dict(self.headers.items()), body)

    def _answer(self, verdict: Verdict) -> None:
        data = f"{verdict.text}\n".encode()
        self.close_connection = True
        self.send_response(verdict.status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
        _log.info("%s %s: %d %s", self.client_address[0], self.path, verdict.status, verdict.text)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """What the server itself would print to stderr; ``_answer`` tells all."""


@contextmanager
def serving(address: str, port: int, desk: Desk) -> Iterator[int]:
    """Serve until left; the port that was taken. Raises InfraError when it cannot be had."""
    try:
        server = Server((address, port), desk)
    except OSError as error:
        raise InfraError(
            f"cannot listen on {address} port {port}: {error.strerror}",
            hint="choose another port in the hook's file",
        ) from None
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.2})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
