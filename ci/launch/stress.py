"""Suite kind ``stress``: lifecycle loops on one host."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta
from msgspec.structs import replace

from ci.errors import UsageError
from ci.launch.child import run_child
from ci.launch.target import SuiteEnd, Target, suite_end
from ci.model import Record
from ci.run import Step
from ci.shell import Argv
from ci.stats.goal import parse_seconds
from suites.stress import argv
from suites.stress.aim import Aim
from suites.stress.amplifiers.knobs import chosen
from suites.stress.options import Options
from suites.stress.shipped import own_file, shipped

GOOD = frozenset({0, 1, 2, 3})
Natural = Annotated[int, Meta(ge=0)]
DEFAULT_LOOPS = 20
NOT_SAID = 2**31  # beyond any loop
Positive = Annotated[int, Meta(ge=1)]


class StressSuite(Record, frozen=True, kw_only=True, tag_field="kind", tag="stress"):
    """``[[suites]] kind = "stress"``: iterations of ``scenario``.

    They end after ``loops``, after ``time`` ("8h"), when the rate of ``until`` ("rate<0.5% @95%")
    is shown, or when it is clear whether the fix of a failure seen K times in N loops is one
    (``against`` "K/N"), whichever comes first; without any of them after 20 loops. ``guests`` run
    at once; 0 means as many as the host bears. ``knobs`` are amplifiers of races to turn on;
    with ``amplify`` ("60s") each knob is measured for so long first, and the best are used.
    ``only`` plays one iteration again, from its seed. ``seconds`` limits the whole suite;
    ``on_daemon_death`` says whether the loop goes on when the libvirt daemon dies in it (the
    iteration has failed either way).
    """

    name: str = "stress"
    scenario: str = "lifecycle"
    loops: Positive = NOT_SAID
    time: str = ""
    until: str = ""
    against: str = ""
    guests: Natural = 1
    knobs: tuple[str, ...] = ()
    amplify: str = ""
    only: Natural = 0
    guest_kind: str = ""
    memory_mib: Positive = 96
    seed: int = 1
    seconds: Positive = 3600
    on_daemon_death: Literal["stop", "continue"] = "continue"

    def __post_init__(self) -> None:
        try:
            self.aim()
            chosen(self.knobs)
            parse_seconds(self.amplify or "1s")
        except UsageError as error:  # as a ValueError the plan's file and line come to it
            raise ValueError(_said(error)) from None
        if not own_file(self.scenario) and self.scenario not in shipped():
            known = ", ".join(shipped())
            raise ValueError(f'there is no scenario "{self.scenario}"; known: {known}, or a file')

    def located(self, base: Path) -> StressSuite:
        """With the absolute path of a scenario's file. Raises UsageError when there is none."""
        if not own_file(self.scenario):
            return self
        name, *function = self.scenario.split(":")
        file = base / Path(name).expanduser()
        if not file.is_file():
            raise UsageError(f'the scenario "{self.scenario}": there is no file {file}')
        return replace(self, scenario=":".join((str(file), *function)))

    def aim(self) -> Aim:
        """When the loop ends. Raises UsageError when that is not clear."""
        said = 0 if self.loops == NOT_SAID else self.loops
        other = self.time or self.until or self.against
        return Aim.parse(
            loops=said if said or other else DEFAULT_LOOPS,
            seconds=parse_seconds(self.time) if self.time else 0.0,
            until=self.until,
            against=self.against,
        )

    def decided(self) -> tuple[str, ...]:
        guests = f"{self.guests} guest(s)" if self.guests else "as many guests as the host bears"
        times = f" {self.aim().loops} times" if self.aim().loops else ""
        head = f"stress: {self.scenario}{times} with {guests}, seed {self.seed}"
        return (head, *(f"  {sentence}" for sentence in self.aim().plan()))

    def run(self, step: Step, target: Target) -> SuiteEnd:
        """Loop to the end; every iteration is in the ledger."""
        ledger = step.folder / "ledger.jsonl"
        argv = self._argv(target, str(ledger))
        if run_child(step, argv, ledger, good=GOOD) == UsageError.exit_code:
            said = (step.folder / "output.log").read_text(errors="replace").splitlines()
            raise UsageError(f"the loop cannot be run: {' '.join(said[-2:])}")
        return suite_end(self.name, target, ledger, step.relative(ledger))

    def _argv(self, target: Target, ledger: str) -> Argv:
        options = Options(
            connect=target.uri,
            ledger=ledger,
            scenario=self.scenario,
            loops=self.aim().loops,
            seconds=self.aim().seconds,
            until=self.until,
            against=self.against,
            knobs=self.knobs,
            amplify=parse_seconds(self.amplify) if self.amplify else 0.0,
            only=self.only,
            guest_kind=self.guest_kind,
            memory_mib=self.memory_mib,
            seed=self.seed,
            guests=self.guests,
            on_daemon_death=self.on_daemon_death,
            guest_kernel=target.kernel,
            guest_initrd=target.initrd,
            hypervisor_list=target.hypervisor_list,
            daemon_probe=target.daemon_probe,
            daemon_backtrace=target.daemon_backtrace,
            host_shell=target.host_shell,
            inventory=target.inventory,
            daemon_restart=target.daemon_restart,
            destination=target.destination,
            migrate_uri=target.migrate_uri,
            host=target.host,
        )
        return argv(options)


def _said(error: UsageError) -> str:
    return f"{error.message} ({error.hint})" if error.hint else error.message
