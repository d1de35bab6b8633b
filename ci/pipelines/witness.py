"""What a lane keeps of its host for whoever asks why: marks, evidence, leaks, console, crashes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ci.deadline import Deadline
from ci.deploy import evidence
from ci.deploy.leaks import Inventory, Leaks, look_for_leaks, take_inventory
from ci.deploy.newcores import BOOTED, look_for_cores
from ci.errors import InfraError, Interrupted, ProductError, VirtciError
from ci.launch import Suite
from ci.launch.target import SuiteEnd
from ci.launch.tck import TckSuite
from ci.model import Access, Build, Looked
from ci.pipelines.console import SUITE as CONSOLE
from ci.pipelines.console import console_troubles, write_console_cases
from ci.pipelines.crashes import Explained, explain_failures, is_unread, step_name
from ci.pipelines.looked import looked, note_look
from ci.pipelines.plan import Plan
from ci.run import Run

EVIDENCE_SECONDS = 60.0
PATIENT_SECONDS = 300.0  # where cores are to be packed by an emulated host
LOOK_SECONDS = 30.0
MARK_SECONDS = 30.0
EXPLAIN_SECONDS = 600.0


@dataclass(frozen=True)
class Witness:
    """Looks at the hosts of one lane; ``lane`` is the name that its results bear."""

    run: Run
    plan: Plan
    build: Build
    lane: str

    @contextmanager
    def kept(self, access: Access, name: str) -> Iterator[None]:
        """Gather what the host can tell when a step of it fails or is stopped."""
        try:
            yield
        except Interrupted:
            self.gather(access, name, seconds=EVIDENCE_SECONDS)
            raise
        except VirtciError:
            self.gather(access, name)
            self.explain(access.name, name)
            raise

    def mark(self, access: Access, name: str) -> None:
        """Note what is on the host before a suite, so that old cores and logs are not blamed on it.

        A suite that is gone on with on the same boot keeps its first mark.
        """
        if self.plan.report.evidence:
            folder = self.place(access, name)
            evidence.mark(access, folder, Deadline.after(MARK_SECONDS))

    def gather(self, access: Access, name: str, seconds: float = PATIENT_SECONDS) -> None:
        if self.plan.report.evidence:
            folder = self.place(access, name)
            evidence.gather(access, folder, Deadline.after(seconds))

    def look_after(self, access: Access, suite: Suite, *, failed: bool) -> bool:
        """Look behind a suite, and gather what the host can tell if there is anything to be told.

        Gives whether there is: of failures, or of a program that died and failed no case.
        """
        name, lasts = suite.name, isinstance(suite, TckSuite)  # a loop watches the daemon itself
        if not self.plan.report.evidence:
            return failed
        folder = self.place(access, name)
        found = look_for_cores(access, folder, Deadline.after(LOOK_SECONDS))
        if (failed and found.trouble != BOOTED) or found.cores or (lasts and found.replaced):
            self.gather(access, name)
        return note_look(self.run, self.lane, name, found, lasts=lasts).died or failed

    def is_unlooked(self, name: str) -> bool:
        """Whether a run was cut behind a suite before anybody looked what it had left."""
        return self.plan.report.evidence and looked(self.run, self.lane, name) is None

    def is_unread(self, name: str) -> bool:
        """Whether a run was cut before anybody explained what was found behind a suite."""
        found = looked(self.run, self.lane, name)
        return is_unread(self.run, self.lane, name, died=found is not None and found.died)

    def place(self, access: Access, name: str) -> Path:
        return self.run.folder / "evidence" / access.name / name

    def explain(self, where: str, name: str) -> None:
        """Say what crashes lie behind failures; the failures themselves stand in any case."""
        found = looked(self.run, self.lane, name) or Looked()
        self.run.step(
            step_name(self.lane, name),
            Explained,
            explain_failures,
            self.lane,
            name,
            self.plan.crashes.known,
            beside=(self.build, where, found),
            still_good=lambda _: False,  # it is read anew whenever there is new evidence
            seconds=EXPLAIN_SECONDS,
        )

    @contextmanager
    def compared(self, access: Access, suite: Suite) -> Iterator[None]:
        """Where the plan wants it: what a suite leaves on the host is a failed step of its own."""
        if not (self.plan.deploy.leaks and access.port):
            yield
            return
        name = f"leaks/{self.lane}/{suite.name}"
        before = self.run.step(f"{name}/before", Inventory, take_inventory, access)
        yield
        with suppress(ProductError, InfraError):
            self.run.step(f"{name}/after", Leaks, look_for_leaks, access, before)

    def look_at_console(self, access: Access, during: str) -> None:
        """What the console tells of trouble becomes cases of the suite ``console``."""
        found = console_troubles(access)
        if found and not self.run.stop.is_set():
            self.run.step(
                f"{CONSOLE}/{self.lane}",
                SuiteEnd,
                write_console_cases,
                access,
                beside=(self.lane, during, found),
                still_good=lambda _: False,
                retries=0,
            )
