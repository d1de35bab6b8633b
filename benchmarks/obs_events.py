"""How fast events of a message bus are handled, on a real RabbitMQ:

    python -m benchmarks.obs_events [EVENTS]

Handled: read, matched, and where a rule takes it claimed durably. Delay: from the event being sent
to the start of what it triggers, claim included. The baseline is reading messages and no more.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from ci.deadline import Deadline
from ci.obs.bus import listen_to
from ci.obs.claims import Claim
from ci.obs.door import Door
from ci.obs.rules import Bus, JenkinsJob, Rule, RunPlan, Watch
from ci.obs.trigger import Starter
from ci.obs.watch import Watcher
from tests.obs.fakes import FakeDoor
from tests.obs_backend.rabbit import Rabbit, rabbit

DELAYS = 30
META = b'<project name="p"/>'


@dataclass
class Stub:
    """Starts nothing and notes when it should have."""

    at: list[float] = field(default_factory=list)
    children: dict[str, int] = field(default_factory=dict)
    ended: dict[str, int] = field(default_factory=dict)

    def start(self, claim: Claim, what: RunPlan | JenkinsJob) -> str:
        self.at.append(time.monotonic())
        return claim.id

    def reap(self) -> int:
        return 0


def message(number: int, package: str) -> tuple[str, bytes]:
    body = {"project": "p", "package": package, "srcmd5": f"m{number}", "starttime": str(number)}
    return "opensuse.obs.package.build_success", json.dumps(body).encode()


def main() -> None:
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    os.environ["BENCH_BUS"] = "guest"
    with rabbit() as broker, tempfile.TemporaryDirectory() as folder:
        bus = Bus(url=broker.url, password_env="BENCH_BUS")
        base = reading(broker, bus, events)
        other = handled(broker, bus, Path(folder, "a"), events, "other")
        taken = handled(broker, bus, Path(folder, "b"), events // 10, "hello")
        print(f"read only:              {base:8.0f} events a second (baseline)")
        print(f"no rule takes them:     {other:8.0f} events a second ({other / base:.2f} of it)")
        print(f"each claimed durably:   {taken:8.0f} events a second ({taken / base:.2f} of it)")
        waits = delays(broker, bus, Path(folder, "c"))
        print(f"from event to trigger:  {1000 * statistics.median(waits):8.1f} ms (median)")
        print(f"                        {1000 * max(waits):8.1f} ms (slowest of {DELAYS})")


def reading(broker: Rabbit, bus: Bus, events: int) -> float:
    listener = listen_to(bus)
    broker.send([message(n, "other") for n in range(events)])
    began, seen = time.monotonic(), 0
    while seen < events:
        for _ in listener.listen(1):
            seen += 1
            if seen == events:
                break
    took = time.monotonic() - began
    listener.close()
    return events / took


def watching(bus: Bus, folder: Path, stub: Stub) -> tuple[threading.Event, threading.Thread]:
    door = cast("Door", FakeDoor({"GET /source/p/_meta": META}))
    rule = Rule(project="p", package="hello", start=RunPlan(plan="x"))
    watch = Watch(state=str(folder), bus=bus, rules=(rule,))
    watcher = Watcher(watch, door, cast("Starter", stub), lambda _: None)
    stop = threading.Event()
    deadline = Deadline.after(300, stop=stop)
    thread = threading.Thread(target=watcher.run, args=(deadline,), kwargs={"once": False})
    thread.daemon = True
    thread.start()
    time.sleep(2)
    return stop, thread


def handled(broker: Rabbit, bus: Bus, folder: Path, events: int, package: str) -> float:
    """Events a second until the last of them, which a rule takes, is started."""
    stub = Stub()
    stop, thread = watching(bus, folder, stub)
    messages = [message(n, package) for n in range(events)]
    began = time.monotonic()
    broker.send([*messages, message(events, "hello")])
    wanted = 1 if package == "other" else events + 1
    while len(stub.at) < wanted:
        time.sleep(0.01)
    took = max(stub.at) - began
    stop.set()
    thread.join(10)
    return events / took


def delays(broker: Rabbit, bus: Bus, folder: Path) -> list[float]:
    stub = Stub()
    stop, thread = watching(bus, folder, stub)
    waits = []
    for number in range(DELAYS):
        sent = time.monotonic()
        broker.send([message(number, "hello")])
        while len(stub.at) <= number:
            time.sleep(0.002)
        waits.append(stub.at[number] - sent)
    stop.set()
    thread.join(10)
    return waits


if __name__ == "__main__":
    main()
