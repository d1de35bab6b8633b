"""What the API frontend of a public instance does: the backend's own events, sent to the bus."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from defusedxml.ElementTree import fromstring

from ci.obs.notices import BUS_NAMES
from tests.obs_backend.backend import Backend
from tests.obs_backend.rabbit import Rabbit

QUEUE = "/lastnotifications"
PAUSE_SECONDS = 0.1


def drained(service: Backend, start: int) -> tuple[int, list[tuple[str, bytes]]]:
    """The events from ``start`` on as messages of the bus, and where to go on."""
    root = fromstring(service.get(f"{QUEUE}?start={start}"))
    messages = []
    for event in root.findall("notification"):
        data = {item.get("key"): item.text or "" for item in event.findall("data")}
        if kind := BUS_NAMES.get(event.get("type", "")):
            messages.append((f"opensuse.obs.{kind}", json.dumps(data).encode()))
    return int(root.get("next", start)), messages


@contextmanager
def bridged(service: Backend, broker: Rabbit) -> Iterator[None]:
    """Every event of the backend from now on is on the bus a moment later."""
    stop = threading.Event()
    start, _ = drained(service, 1)

    def forward() -> None:
        position = start
        while not stop.wait(PAUSE_SECONDS):
            position, messages = drained(service, position)
            if messages:
                broker.send(messages)

    thread = threading.Thread(target=forward, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(10)
