"""A real RabbitMQ for tests: own node, own ports on loopback, ended by its pids."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pika
import pika.exceptions
from pika.exchange_type import ExchangeType

from ci.deadline import Deadline, wait_until
from tests.obs_backend.server import free_port

PROGRAM = "/usr/lib/rabbitmq/bin/rabbitmq-server"
UP_SECONDS = 90.0
EXCHANGE = "pubsub"


@dataclass
class Rabbit:
    """One broker. ``stop`` and ``start`` may be repeated; the port stays."""

    folder: Path
    port: int = field(default_factory=free_port)
    _dist: int = field(default_factory=free_port)
    _epmd: int = field(default_factory=free_port)
    _processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"amqp://guest@127.0.0.1:{self.port}/%2F"

    def start(self) -> None:
        (self.folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.local = 127.0.0.1:{self.port}\nloopback_users.guest = true\n"
        )
        (self.folder / "plugins").write_text("[].\n")
        names = {**os.environ, "ERL_EPMD_PORT": str(self._epmd), "ERL_EPMD_ADDRESS": "127.0.0.1"}
        # the name server would be started as a daemon, and stay, if it were not there already
        self._child(("epmd", "-address", "127.0.0.1", "-port", str(self._epmd)), names)
        self._child((PROGRAM,), {**names, **self._settings()})
        wait_until("RabbitMQ to answer", self._declared, Deadline.after(UP_SECONDS), every=0.3)

    def _settings(self) -> dict[str, str]:
        return {
            "HOME": str(self.folder),
            "RABBITMQ_NODENAME": f"virtci-{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(self._dist),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }

    def _child(self, argv: tuple[str, ...], environment: dict[str, str]) -> None:
        with (self.folder / "output.log").open("ab") as log:
            self._processes.append(
                subprocess.Popen(
                    ("setpriv", "--pdeathsig", "KILL", "--", *argv),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=environment,
                    start_new_session=True,
                )
            )

    def stop(self) -> None:
        """End it at once, as a crash would."""
        for process in self._processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(20)
        self._processes.clear()

    def send(self, messages: list[tuple[str, bytes]]) -> None:
        """Publish messages by routing key, as an instance does."""
        with self._connected() as channel:
            for key, body in messages:
                channel.basic_publish(EXCHANGE, key, body)

    @contextmanager
    def _connected(self) -> Iterator[pika.adapters.blocking_connection.BlockingChannel]:
        parameters = pika.ConnectionParameters("127.0.0.1", self.port, socket_timeout=5)
        connection = pika.BlockingConnection(parameters)
        try:
            yield connection.channel()
        finally:
            connection.close()

    def _declared(self) -> bool:
        try:
            with self._connected() as channel:
                kind = ExchangeType("topic")
                channel.exchange_declare(EXCHANGE, exchange_type=kind, durable=True)
        except (pika.exceptions.AMQPError, OSError):
            time.sleep(0.1)
            return False
        return True


@contextmanager
def rabbit() -> Iterator[Rabbit]:
    """A running broker; gone afterwards."""
    assert Path(PROGRAM).exists(), (
        "RabbitMQ missing: apt-get install --no-install-recommends rabbitmq-server"
    )
    folder = Path(tempfile.mkdtemp(prefix="virtci-rabbit-"))
    made = Rabbit(folder)
    try:
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)
