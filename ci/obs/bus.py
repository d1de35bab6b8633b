"""The message bus of an Open Build Service: events as they happen, over AMQP.

The only importer of pika. A queue of our own is bound to the exchange and goes with the
connection: what is sent while nobody listens is caught up from the history.
"""

from __future__ import annotations

import logging
import os
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote

import pika
import pika.exceptions
from pika.exchange_type import ExchangeType

from ci.errors import InfraError, UsageError
from ci.obs.door import Unreachable
from ci.obs.notices import Notice, parse_message
from ci.obs.rules import Bus
from ci.urls import parts_of

log = logging.getLogger(__name__)
CONNECT_SECONDS = 15.0
HEARTBEAT_SECONDS = 30


@dataclass
class Listener:
    """One connection to the bus. Everything raises Unreachable when it is gone."""

    channel: pika.adapters.blocking_connection.BlockingChannel
    connection: pika.BlockingConnection
    queue: str

    def listen(self, seconds: float) -> Iterator[Notice]:
        """What comes within ``seconds``. The caller may leave early and listen again."""
        until = time.monotonic() + seconds
        try:
            for method, _, body in self.channel.consume(
                self.queue, auto_ack=True, inactivity_timeout=seconds
            ):
                if method is None or body is None:
                    return
                if (notice := _read(method.routing_key or "", body)) is not None:
                    yield notice
                if time.monotonic() >= until:
                    return
        except (pika.exceptions.AMQPError, OSError) as error:
            raise Unreachable(f"the message bus is gone: {_cause(error)}") from None

    def close(self) -> None:
        try:
            self.connection.close()
        except (pika.exceptions.AMQPError, OSError):
            return


def listen_to(bus: Bus) -> Listener:
    """Connect, and bind a queue to all events. Raises Unreachable, UsageError for a bad login."""
    logging.getLogger("pika").setLevel(logging.CRITICAL)  # it tells each failure in ten lines
    try:
        connection = pika.BlockingConnection(_parameters(bus))
        channel = connection.channel()
        channel.exchange_declare(
            bus.exchange, exchange_type=ExchangeType("topic"), passive=True, durable=True
        )
        queue = channel.queue_declare("", exclusive=True).method.queue or ""
        channel.queue_bind(queue, bus.exchange, routing_key=f"{bus.prefix}.#")
    except pika.exceptions.ProbableAuthenticationError:
        raise UsageError(
            f"the message bus {bus.url} refuses the login",
            hint="the user stands in bus.url; bus.password_env names the variable of the password",
        ) from None
    except (pika.exceptions.AMQPError, OSError) as error:
        raise Unreachable(f"the message bus {bus.url} does not answer: {_cause(error)}") from None
    return Listener(channel, connection, queue)


def _parameters(bus: Bus) -> pika.ConnectionParameters:
    parts = parts_of(bus.url)
    secure = parts.scheme == "amqps"
    host = parts.hostname or "localhost"
    parameters = pika.ConnectionParameters(
        host=host,
        port=parts.port or (5671 if secure else 5672),
        virtual_host=unquote(parts.path[1:]) or "/",
        credentials=pika.PlainCredentials(unquote(parts.username or "guest"), _password(bus)),
        heartbeat=HEARTBEAT_SECONDS,
        socket_timeout=CONNECT_SECONDS,
        stack_timeout=CONNECT_SECONDS,
        blocked_connection_timeout=CONNECT_SECONDS,
        connection_attempts=1,
    )
    if secure:
        parameters.ssl_options = pika.SSLOptions(ssl.create_default_context(), host)
    return parameters


def _password(bus: Bus) -> str:
    if not bus.password_env:
        return ""
    password = os.environ.get(bus.password_env)
    if password is None:
        raise UsageError(f"bus.password_env names {bus.password_env}, which is not set")
    return password


def _read(routing_key: str, body: bytes) -> Notice | None:
    """One bad message must not stop the others; what it said is caught up from the history."""
    try:
        return parse_message(routing_key, body)
    except InfraError as error:
        log.warning("%s", error.message)
        return None


def _cause(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
