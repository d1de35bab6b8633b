"""The server; the only importer of uvicorn."""

from __future__ import annotations

import socket
from collections.abc import Callable

import uvicorn

from ci.errors import InfraError
from ci.history.database import History
from ci.serve.app import application

AT_ONCE = 50
KEPT_SECONDS = 5


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes a free one. Raises InfraError when it is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(AT_ONCE)
    except OSError as error:
        listener.close()
        raise InfraError(
            f"cannot listen on {host} port {port}: {error.strerror}",
            hint="stop what listens there, or take another --port (0: any)",
        ) from None
    return listener


def serve(history: History, listener: socket.socket, ready: Callable[[], None]) -> None:
    """Answer until a SIGINT or SIGTERM."""
    config = uvicorn.Config(
        application(history),
        log_level="warning",
        limit_concurrency=AT_ONCE,
        timeout_keep_alive=KEPT_SECONDS,
        server_header=False,
        lifespan="off",
    )
    ready()
    uvicorn.Server(config).run(sockets=[listener])
