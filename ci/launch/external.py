"""Suite kinds ``libvirt-tck``, ``avocado``, ``tap`` and ``junit``: suites that others wrote."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from ci.launch.child import run_child
from ci.launch.target import SuiteEnd, Target, suite_end
from ci.model import Record
from ci.run import Step
from suites.external import argv

GOOD = frozenset({0})
Positive = Annotated[int, Meta(ge=1)]


class LibvirtTckSuite(Record, frozen=True, kw_only=True, tag_field="kind", tag="libvirt-tck"):
    """libvirt-tck on the host's connection: all its scripts, or the named ones and folders.

    It is found installed, or where LIBVIRT_TCK_DIR says. ``seconds`` limits the suite,
    ``script_seconds`` each script. ``image`` is a whole guest that virt-builder can make (it
    downloads it), ``destination`` the connection of a second host; scripts that need one are
    skipped without.
    """

    name: str = "libvirt-tck"
    scripts: tuple[str, ...] = ()
    image: str = ""
    destination: str = ""
    seconds: Positive = 7200
    script_seconds: Positive = 300

    def decided(self) -> tuple[str, ...]:
        return (f"libvirt-tck: {', '.join(self.scripts) or 'all scripts'}",)

    def run(self, step: Step, target: Target) -> SuiteEnd:
        """Run every script once; each of its results is a case."""
        ledger = step.folder / "ledger.jsonl"
        command = argv(
            "libvirt-tck",
            ledger,
            self.scripts,
            name=self.name,
            uri=target.uri,
            host=target.host,
            kernel=target.kernel,
            initrd=target.initrd,
            image=self.image,
            destination=self.destination or target.destination,
            seconds=self.script_seconds,
        )
        run_child(step, command, ledger, good=GOOD)
        return suite_end(self.name, target, ledger, step.relative(ledger))


class _Commands(Record, frozen=True, kw_only=True):
    """Command lines run here, one after the other."""

    commands: tuple[str, ...]
    seconds: Positive = 7200
    command_seconds: Positive = 3600


def _run(kind: str, suite: _Commands, name: str, step: Step, target: Target) -> SuiteEnd:
    ledger = step.folder / "ledger.jsonl"
    commands = tuple(line.replace("{uri}", target.uri) for line in suite.commands)
    command = argv(
        kind, ledger, commands, name=name, host=target.host, seconds=suite.command_seconds
    )
    run_child(step, command, ledger, good=GOOD)
    return suite_end(name, target, ledger, step.relative(ledger))


class TapSuite(_Commands, frozen=True, kw_only=True, tag_field="kind", tag="tap"):
    """Commands that print TAP. ``{uri}`` in them becomes the host's connection."""

    name: str = "tap"

    def decided(self) -> tuple[str, ...]:
        return tuple(f"tap: {line}" for line in self.commands)

    def run(self, step: Step, target: Target) -> SuiteEnd:
        return _run("tap", self, self.name, step, target)


class JUnitSuite(_Commands, frozen=True, kw_only=True, tag_field="kind", tag="junit"):
    """Commands that write a JUnit file: ``COMMAND => FILE``. ``{uri}`` as in TapSuite."""

    name: str = "junit"

    def decided(self) -> tuple[str, ...]:
        return tuple(f"junit: {line}" for line in self.commands)

    def run(self, step: Step, target: Target) -> SuiteEnd:
        return _run("junit", self, self.name, step, target)


class AvocadoSuite(_Commands, frozen=True, kw_only=True, tag_field="kind", tag="avocado"):
    """Avocado or avocado-vt: ``avocado run ... => .../results.json``. ``{uri}`` as in TapSuite."""

    name: str = "avocado"

    def decided(self) -> tuple[str, ...]:
        return tuple(f"avocado: {line}" for line in self.commands)

    def run(self, step: Step, target: Target) -> SuiteEnd:
        return _run("avocado", self, self.name, step, target)
