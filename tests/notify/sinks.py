"""Servers that only receive: mail over SMTP, and JSON over HTTP."""

from __future__ import annotations

import http.server
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from email.parser import BytesParser
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session


class _Mailbox:
    def __init__(self) -> None:
        self.mails: list[Message] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        self.mails.append(BytesParser().parsebytes(envelope.content))
        return "250 OK"


@contextmanager
def mail_sink() -> Iterator[tuple[int, list[Message]]]:
    """The port of a mail server, and what it has got."""
    mailbox = _Mailbox()
    controller = Controller(mailbox, hostname="127.0.0.1", port=_free_port())
    controller.start()
    try:
        yield controller.port, mailbox.mails
    finally:
        controller.stop()


@contextmanager
def http_sink(status: int = 200) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """The port of a web server that takes JSON and answers with ``status``."""
    got: list[dict[str, Any]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002

    with _served(Handler) as port:
        yield port, got


@contextmanager
def matrix_sink() -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """The port of as much of a Matrix home server as a message needs, and what a room has got."""
    got: list[dict[str, Any]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # logging in, joining, logging out
            self._body()
            self._answer({"access_token": "t", "user_id": "@ci:x", "room_id": "!r:x"})

        def do_PUT(self) -> None:
            got.append(self._body())
            self._answer({"event_id": "$1"})

        def do_GET(self) -> None:
            self._answer({"joined_rooms": []})

        def _body(self) -> dict[str, Any]:
            length = int(self.headers.get("Content-Length") or 0)
            found: dict[str, Any] = json.loads(self.rfile.read(length) or b"{}")
            return found

        def _answer(self, what: dict[str, Any]) -> None:
            data = json.dumps(what).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002

    with _served(Handler) as port:
        yield port, got


@contextmanager
def _served(handler: type[http.server.BaseHTTPRequestHandler]) -> Iterator[int]:
    """The port of loopback that ``handler`` answers on."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
