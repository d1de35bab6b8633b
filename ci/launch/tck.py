"""Suite kind ``tck``: the libvirt API behaviours on one host."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from msgspec import Meta

from ci.launch.child import run_child
from ci.launch.target import SuiteEnd, Target, suite_end
from ci.model import Record
from ci.run import Step
from ci.shell import Argv
from suites.tck import AREAS, argv, is_known

# pytest: all passed, some failed, nothing left to run (cut behind its last case, then resumed)
GOOD = frozenset({0, 1, 5})


class TckSuite(Record, frozen=True, kw_only=True, tag_field="kind", tag="tck"):
    """``[[suites]] kind = "tck"``: all areas, or the named areas and cases (``area/case``).

    ``seconds`` limits the suite; ``patience`` multiplies the deadlines of its calls, for slow
    hosts; ``workers`` processes run the cases side by side."""

    name: str = "tck"
    areas: tuple[str, ...] = ()
    destructive: bool = False
    patience: Annotated[float, Meta(gt=0)] = 1.0
    workers: Annotated[int, Meta(ge=1, le=64)] = 1
    seconds: Annotated[int, Meta(ge=1)] = 3600

    def __post_init__(self) -> None:
        for area in self.areas:
            if not is_known(area):  # as a ValueError the plan's file and line come to it
                raise ValueError(f'there is no area "{area}"; known: {", ".join(AREAS)}')

    def decided(self) -> tuple[str, ...]:
        return (f"tck: {', '.join(self.areas) or 'all areas'}",)

    def run(self, step: Step, target: Target) -> SuiteEnd:
        """Run every behaviour once; each verdict is in the ledger."""
        ledger = step.folder / "ledger.jsonl"
        run_child(step, self._argv(target, ledger), ledger, good=GOOD)
        return suite_end(self.name, target, ledger, step.relative(ledger))

    def _argv(self, target: Target, ledger: Path) -> Argv:
        return argv(
            target.uri,
            ledger,
            self.areas,
            kernel=target.kernel,
            initrd=target.initrd,
            host=target.host,
            daemon_probe=target.daemon_probe,
            daemon_backtrace=target.daemon_backtrace,
            hypervisor_list=target.hypervisor_list,
            hypervisor_destroy=target.hypervisor_destroy,
            destructive=self.destructive,
            patience=self.patience,
            workers=self.workers,
        )
