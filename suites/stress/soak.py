"""The loop: iteration after iteration, each judged, recorded and cleaned up after."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path

from ci.errors import InfraError, Interrupted, UsageError
from ci.model import CaseResult, Outcome
from suites.stress.aim import Aim
from suites.stress.amplifiers.knob import Turned
from suites.stress.amplifiers.knobs import chosen
from suites.stress.connection import DaemonDied
from suites.stress.domain_xml import PREFIX
from suites.stress.guest import Guest
from suites.stress.host import WITHOUT_GUESTS, Host
from suites.stress.inventory import Inventory
from suites.stress.ledger import ITERATION, Ledger, told_at_start
from suites.stress.options import Options
from suites.stress.play import Play, Problem, describe, judge
from suites.stress.scenario import load_scenario
from suites.stress.surroundings import Surroundings
from suites.stress.verdict import Verdict, conclude
from suites.stress.vitals import EVERY_SECONDS, EVERY_SECONDS_ELSEWHERE, Vitals

LATE_SECONDS = 0.1
BROKEN_IN_A_ROW = 3


class Soak:
    """One worker's loop over one guest."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.aim = Aim.parse(
            loops=1 if options.only else options.loops,
            seconds=options.seconds,
            until=options.until,
            against=options.against,
        )
        self.scenario = load_scenario(options.scenario)
        self.suite = f"stress.{self.scenario.name}"
        self.ledger = Ledger(options)
        self.host = Host(options, self, self._heard)
        self.name = f"{PREFIX}{options.worker}"
        self.stopping = ""  # why the loop itself ends early
        self._guest: Guest | None = None
        self._knobs = Turned(chosen(options.knobs))
        self._iteration = 0
        self._broken = 0
        self._problem: tuple[str, str] | None = None  # that the host is recovered from just now
        self._vitals = Vitals()
        self._surroundings: Surroundings | None = None

    @property
    def interrupted(self) -> bool:
        """Whether somebody asked it to end."""
        return self.host.interrupted

    def interrupt(self) -> None:
        """End soon: the iteration that is under way is left, and done again later."""
        self.host.interrupted = True

    @property
    def guest(self) -> Guest:
        assert self._guest is not None, "the loop is not open"
        return self._guest

    def _heard(self, domain: str, event: str) -> None:
        if domain == self.name and self._guest is not None:
            self._guest.heard(event)

    # what the guard asks for, from its own thread

    def release(self, call: str) -> str:
        """Say where the daemon stands and make the call return."""
        return f"{call} hung; the daemon stood here:\n{self.host.connection.release()}"

    def stuck(self, call: str, seconds: float, evidence: str) -> None:
        """The call cannot be ended: keep what is known, and start this process anew."""
        message = f"{call} did not return within {seconds:g} s and could not be ended"
        if self._problem is not None:  # it hangs since something that the recovery was for
            message = f"{self._problem[0]}; after it {message}"
            evidence = "\n".join(part for part in (self._problem[1], evidence) if part)
        if self._guest is None:  # not even connected: there is no iteration to blame
            sys.stderr.write(f"{message}; does the daemon answer at all?\n{evidence}\n")
            self.ledger.close()
            os._exit(InfraError.exit_code)
        play = Play(self.guest, self.ledger, number=self._iteration, seed=self.options.seed)
        self.ledger.case(self._case(play, Outcome.FAILED, 0.0, message, evidence))
        self.ledger.close()
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - no shell

    # the loop

    def open(self) -> None:
        """Connect, find out what runs there, and sweep what a killed loop has left."""
        with told_at_start(self.ledger, self.suite, self.options.host):
            self.host.open()
        self._guest = Guest(self.name, self.host)
        self.host.sweep(self.name, alone=self.options.worker == 0)
        self._guest.forget_events()
        inventory = Inventory(self.options.inventory, self.options.call_seconds)
        self._surroundings = Surroundings(self.host, self.name, inventory)
        every = EVERY_SECONDS if self._watched_here() else EVERY_SECONDS_ELSEWHERE
        self._vitals = Vitals(self.host.read_vitals, every=every)
        self._turn_knobs()

    def _watched_here(self) -> bool:
        return self.host.local or self.host.driver in WITHOUT_GUESTS

    def _turn_knobs(self) -> None:
        """On, or anew for another daemon."""
        self._knobs.turn_on(self.host.setting())

    def run(self) -> None:
        """Iterate until a limit is reached, or there is a reason to stop."""
        while not (self.stopping or self.interrupted or self._finished()):
            self._iteration = self.options.only or self.ledger.totals.iterations + 1
            try:
                case = self.iterate(self._iteration)
            except Interrupted:
                self._sweep()
                return
            self.ledger.case(case)
            self._vitals.look(self.host.vital_pid, self._iteration)
            if case.outcome is not Outcome.PASSED:
                self._give_up(case)

    def _finished(self) -> bool:
        totals = self.ledger.totals
        failed, passed = totals.of(Outcome.FAILED), totals.of(Outcome.PASSED)
        return self.aim.reached(failed, passed, totals.iterations, totals.seconds)

    def _give_up(self, case: CaseResult) -> None:
        if case.outcome is Outcome.UNSUPPORTED and self.ledger.totals.iterations == 1:
            raise UsageError(f"{self.scenario.name} cannot be looped there: {case.message}")
        self._broken = self._broken + 1 if case.outcome is Outcome.BROKEN else 0
        if self._broken >= BROKEN_IN_A_ROW:
            self.stopping = f"the lab broke {self._broken} iterations in a row"

    def close(self) -> Verdict:
        """Write the verdict on all iterations so far, and let everything go."""
        self._knobs.turn_off()
        leaks = (*self._vitals.leaks(), *self._left_on_host(), *self._unasked())
        verdict = conclude(
            self.ledger.totals,
            self.aim,
            unseen=self.host.unseen(),
            stopped="somebody asked" if self.interrupted else self.stopping,
            leaks=leaks,
            remarks=tuple(sorted(self.host.remarks)),
        )
        self.ledger.write("vitals", self.suite, self._vitals.samples)
        self.ledger.conclude(
            verdict,
            suite=self.suite,
            host=self.options.host,
            interrupted=self.interrupted,
        )
        self.ledger.close()
        self.host.close()
        return verdict

    def _left_on_host(self) -> tuple[str, ...]:
        try:
            return self._surroundings.leaks() if self._surroundings else ()
        except InfraError as error:
            self.stopping = error.message
            return ()

    # one iteration

    def iterate(self, number: int) -> CaseResult:
        """One iteration, whatever happens in it, cleaned up after."""
        began = time.monotonic()
        self.guest.begin()
        play = Play(self.guest, self.ledger, number=number, seed=self.options.seed)
        try:
            self.scenario.perform(play)
            if not play.steps:
                raise UsageError(
                    f"{self.scenario.name} did nothing in iteration {number}",
                    hint='an iteration is made of operations, such as play("create")',
                )
            self._check(play)
        except UsageError:  # nobody comes back to this guest
            with contextlib.suppress(*Problem):
                self._sweep()
            raise
        except Interrupted:
            raise
        except Problem as problem:
            message, detail = self._problem = describe(problem, self.guest)
            message += self._recover(problem)
            detail, self._problem = self._problem[1], None
            outcome = judge(problem)
        else:
            outcome, message, detail = Outcome.PASSED, "", ""
        return self._case(play, outcome, time.monotonic() - began, message, detail)

    def _case(
        self, play: Play, outcome: Outcome, seconds: float, message: str, detail: str
    ) -> CaseResult:
        return CaseResult(
            suite=self.suite,
            name=f"{ITERATION}{play.number:06}",
            outcome=outcome,
            seconds=seconds,
            host=self.options.host,
            message=message,
            detail=detail,
            steps=play.steps,
        )

    def _check(self, play: Play) -> None:
        """What must hold after each iteration, whatever the scenario."""
        began = time.monotonic()
        self.guest.settle()
        self.guest.detach()
        assert self._surroundings is not None
        self._surroundings.check()
        play.steps["check"] = time.monotonic() - began

    def _unasked(self) -> tuple[str, ...]:
        """Events that came after the last iteration; those of others are found by the next one."""
        if self._guest is None or self.interrupted or not self.host.connection.alive():
            return ()
        try:
            self.host.connection.pause(LATE_SECONDS)
        except Problem:
            return ()
        late = self.guest.late()
        return (f"events that nobody asked for came at the end: {late}",) if late else ()

    def _recover(self, error: Exception) -> str:
        """Make the host fit for the next iteration; what had to be done, for the message."""
        died = isinstance(error, DaemonDied)
        if died and self.options.on_daemon_death == "stop":
            self.stopping = "the daemon died, and the loop was told to stop then"
        try:
            said = self.host.reconnect() if died or not self.host.connection.alive() else ""
            said += self._sweep()
            said += self.host.end_orphans(self.name)
            self.host.connection.pause(LATE_SECONDS)  # what it has still to say belongs here
            self.guest.forget_events()
            if said:
                self._turn_knobs()
        except Problem as problem:
            self.stopping = f"the host could not be cleaned up: {problem}"
            self._keep_evidence(problem)
            return f"; {self.stopping}"
        return said

    def _keep_evidence(self, problem: Exception) -> None:
        """What a hang of the recovery itself has shown belongs to the iteration as well."""
        if self._problem is not None and (more := getattr(problem, "detail", "")):
            message, detail = self._problem
            self._problem = message, "\n".join(part for part in (detail, more) if part)

    def _sweep(self) -> str:
        """Remove our guest; on a connection of its own if this one does not do it."""
        try:
            self.host.sweep(self.name, alone=False)
        except Problem:
            said = self.host.reconnect()
            self.host.sweep(self.name, alone=False)
            return said
        finally:
            if self.host.local or not self.guest.kind.runs:
                Path(self.guest.save_path).unlink(missing_ok=True)
        return ""
