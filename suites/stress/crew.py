"""Several guests at once: a process and a ledger for each, one verdict for all."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from ci.codec import from_json
from ci.errors import InfraError, UsageError
from ci.journal import Event
from ci.model import CaseResult, Outcome
from suites.stress.aim import Aim
from suites.stress.host import WITHOUT_GUESTS, Host
from suites.stress.inventory import Inventory
from suites.stress.ledger import ITERATION, Ledger, told_at_start
from suites.stress.options import Options, to_argv
from suites.stress.verdict import Verdict, conclude

LOOK_SECONDS = 0.2
END_SECONDS = 60.0  # the iterations under way are left
UNLIMITED = 2**31
GUEST_OVERHEAD_MIB = 200  # what a guest takes beside its own memory
MOST_GUESTS = 64
RESTARTS = 3

_decoder = msgspec.json.Decoder(Event)


class BeforeLoops:
    """For calls on a host before there is an iteration to blame."""

    def __init__(self, options: Options) -> None:
        self.host = Host(options, self, lambda _domain, _event: None)

    def release(self, call: str) -> str:
        return f"{call} hung; the daemon stood here:\n{self.host.connection.release()}"

    def stuck(self, call: str, seconds: float, evidence: str) -> None:
        sys.stderr.write(f"{call} did not return within {seconds:g} s\n{evidence}\n")
        os._exit(InfraError.exit_code)  # of this thread alone it would not be the end


class Worker:
    """One process with its ledger, followed as it grows."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.path = Path(options.ledger)
        self.restarts = 0
        self._offset = 0
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        argv = (sys.executable, "-m", "suites.stress", *to_argv(self.options))
        setpriv = shutil.which("setpriv")  # a worker must not go on alone when we are killed
        dying = (setpriv, "--pdeathsig", "KILL", "--") if setpriv else ()
        return subprocess.Popen((*dying, *argv), stdout=subprocess.DEVNULL, start_new_session=True)

    def news(self) -> Iterator[Event]:
        """What was written since the last call."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._offset += len(line)
                yield _decoder.decode(line)

    def died(self) -> bool:
        """Whether it ended as no loop should (a bug of ours, or killed)."""
        status = self.process.poll()
        return status is not None and status not in (0, 1, 2, 3, 130)

    def refused(self) -> bool:
        """Whether it cannot work there at all."""
        return self.process.poll() == UsageError.exit_code

    def restart(self) -> None:
        """Go on behind its last whole iteration."""
        self.restarts += 1
        self.process = self._start()

    def ask_to_end(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)


class Crew:
    """Runs ``options.guests`` workers until the aim is reached."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.aim = Aim.parse(
            loops=options.loops,
            seconds=options.seconds,
            until=options.until,
            against=options.against,
        )
        self.ledger = Ledger(options)
        self.interrupted = False
        self.stopping = ""
        self._unseen: tuple[str, ...] = ()
        self._leaks: list[str] = []
        self._remarks: set[str] = set()
        self._workers: list[Worker] = []
        self._inventory: Inventory | None = None

    def interrupt(self) -> None:
        """End soon."""
        self.interrupted = True

    def open(self) -> None:
        """See that the hypervisor is there, sweep it, and start the workers."""
        host = BeforeLoops(self.options).host
        with told_at_start(self.ledger, f"stress.{self.options.scenario}", self.options.host):
            host.open()
        try:
            host.sweep("", alone=True)
            self._unseen = host.unseen()
            count = self.options.guests or bearable(host)
        finally:
            host.close()
        self._inventory = Inventory(self.options.inventory, self.options.call_seconds)
        self._workers = [Worker(self._order(number, count)) for number in range(1, count + 1)]

    def _order(self, number: int, count: int) -> Options:
        """What worker ``number`` is told; the aim of a rate is watched over by us."""
        loops = UNLIMITED
        if self.options.loops:
            loops = self.options.loops // count + (number <= self.options.loops % count)
        return msgspec.structs.replace(
            self.options,
            worker=number,
            guests=1,
            loops=loops or UNLIMITED,
            until="",
            against="",
            knobs=self.options.knobs if number == 1 else (),  # once is enough for all
            inventory=(),  # each would take the others' guests for leaks
            ledger=f"{self.options.ledger}.{number}",
        )

    def run(self) -> None:
        """Follow the workers to the end."""
        while not (self.interrupted or self.stopping or self._reached()):
            time.sleep(LOOK_SECONDS)
            self._gather()
            if all(worker.process.poll() is not None for worker in self._workers):
                break
        self._end()

    def _reached(self) -> bool:
        totals = self.ledger.totals
        failed, passed = totals.of(Outcome.FAILED), totals.of(Outcome.PASSED)
        spent = totals.seconds / max(1, len(self._workers))
        return self.aim.reached(failed, passed, totals.iterations, spent)

    def _gather(self) -> None:
        for worker in self._workers:
            for event in worker.news():
                self._take(worker.options.worker, event)
            if worker.refused():
                self.stopping = f"guest {worker.options.worker} cannot be looped there"
            elif worker.died():
                self._revive(worker)

    def _revive(self, worker: Worker) -> None:
        if worker.restarts >= RESTARTS:
            self.stopping = f"the process of guest {worker.options.worker} died {RESTARTS} times"
        else:
            worker.restart()

    def _take(self, number: int, event: Event) -> None:
        group = f"guest-{number}"
        if event.what == "verdict":
            verdict = from_json(event.data, Verdict)
            self._leaks += verdict.leaks
            self._remarks.update(verdict.remarks)
        if event.what != "case" or ITERATION not in event.name:
            return
        if not _is_later(event.name, self.ledger.last.get(group, "")):
            return
        case = from_json(event.data, CaseResult)
        self.ledger.last[group] = case.name
        self.ledger.case(msgspec.structs.replace(case, name=f"{group}/{case.name}"))

    def _end(self) -> None:
        for worker in self._workers:
            worker.ask_to_end()
        until = time.monotonic() + END_SECONDS
        for worker in self._workers:
            try:
                worker.process.wait(max(1.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()
        for worker in self._workers:
            for event in worker.news():
                self._take(worker.options.worker, event)
        self._look_around()

    def _look_around(self) -> None:
        """What all guests together have left on the host."""
        try:
            self._leaks += self._inventory.leaks() if self._inventory else ()
        except InfraError as error:
            self.stopping = error.message

    def close(self) -> Verdict:
        """The verdict on all iterations of all guests."""
        verdict = conclude(
            self.ledger.totals,
            self.aim,
            unseen=self._unseen,
            stopped="somebody asked" if self.interrupted else self.stopping,
            leaks=tuple(dict.fromkeys(self._leaks)),
            remarks=tuple(sorted(self._remarks)),
        )
        suite = f"stress.{self.options.scenario}"
        self.ledger.conclude(
            verdict,
            suite=suite,
            host=self.options.host,
            interrupted=self.interrupted,
        )
        self.ledger.close()
        return verdict


def _is_later(name: str, other: str) -> bool:
    """Whether iteration ``name`` comes after ``other``; the numbers have at least six digits."""
    return (len(name), name) > (len(other), other)


def bearable(host: Host) -> int:
    """How many guests the host bears at once: one a processor, as memory allows."""
    connection = host.connection
    info = connection.call(connection.raw.getInfo)
    if host.driver in WITHOUT_GUESTS:
        return int(info[2])
    free_mib = connection.call(connection.raw.getFreeMemory) // 2**20
    each = host.options.memory_mib + GUEST_OVERHEAD_MIB
    fits = int(free_mib * 3 // 4 // each)
    if not fits:
        raise InfraError(f"{host.options.connect} has {free_mib} MiB free; a guest needs {each}")
    return max(1, min(int(info[2]), fits, MOST_GUESTS))
