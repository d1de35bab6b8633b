"""``python -m suites.external KIND``: a foreign suite as a child process with our ledger.

Exit status 0 when every program was run to its end, whatever the verdicts; 3 otherwise.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import libvirt

from ci.errors import VirtciError
from ci.shell import Completed
from suites.external import KINDS, avocado, junit, lacking, libvirt_tck, tap
from suites.external.case import Finding
from suites.external.run import Program, Reader, Runner, Told
from suites.hypervisor.api import Session
from suites.hypervisor.calls import Recorder
from suites.hypervisor.watchdog import Pending, Watchdog
from suites.tck.baseline import known_for

BASELINES = Path(__file__).parent / "baselines"


class Parser(Protocol):
    """Reads a file of results."""

    def __call__(self, text: str, *, source: str) -> tuple[Finding, ...]: ...


def parser() -> argparse.ArgumentParser:
    words = argparse.ArgumentParser(prog="suites.external", description="Run a foreign suite.")
    words.add_argument("kind", choices=KINDS)
    words.add_argument("--ledger", type=Path, required=True)
    words.add_argument("--name", required=True, help="what the suite is called in results")
    words.add_argument("--host", default="")
    words.add_argument("--connect", default="", metavar="URI")
    words.add_argument("--kernel", default="", help="of the guest, for libvirt-tck")
    words.add_argument("--initrd", default="")
    words.add_argument("--image", default="", help="a whole guest that virt-builder can make")
    words.add_argument("--destination", default="", metavar="URI", help="a second host")
    words.add_argument("--seconds", type=int, default=600, help="limit of each program")
    words.add_argument("--program", action="append", dest="programs", default=[])
    return words


def main() -> int:
    options = parser().parse_args()
    sweeps = options.kind == "libvirt-tck"
    uris = filter(None, (options.connect, options.destination))
    watches = tuple(Watch(uri, sweeps=sweeps) for uri in uris)
    hooks = libvirt_tck.hook_files()
    try:
        runner = Runner(
            options.ledger,
            Told(options.name, options.host, known_for(options.kind, BASELINES)),
            seconds=options.seconds,
            after=lambda: "; ".join(filter(None, [watch.look() for watch in watches])),
        )
        runner.run(_programs(options))
        runner.close()
    except VirtciError as error:
        sys.stderr.write(f"{error.message}\n{error.hint}\n".rstrip("\n") + "\n")
        return error.exit_code
    finally:
        _tidy(options.kind, watches, hooks)
    return 0


class Watch:
    """Looks after each program whether the daemon is still the same process, and ``sweeps`` what
    it left: libvirt-tck refuses to begin where one of its nwfilters is."""

    def __init__(self, uri: str, *, sweeps: bool) -> None:
        self.sweeps = sweeps
        self.session = Session(uri, Recorder(), Watchdog(_given_up))
        self.session.open()

    def look(self) -> str:
        died = self._look()
        if self.sweeps:
            self.sweep()
        return died

    def sweep(self) -> None:
        """Remove what libvirt-tck left; say what stays."""
        try:
            for sentence in libvirt_tck.sweep(self.session.connection):
                sys.stderr.write(f"{sentence}\n")
        except libvirt.libvirtError as error:
            sys.stderr.write(f"nothing could be swept: {error}\n")

    def _look(self) -> str:
        if self.session.alive():
            return ""
        pid = self.session.daemon.pid if self.session.daemon else 0
        self.session.close()
        self.session.open()
        return f"it crashed the daemon (process {pid})"


def _given_up(pending: Pending) -> None:
    sys.stderr.write(f"{pending.function} did not return\n")
    os.abort()


def _tidy(kind: str, watches: tuple[Watch, ...], hooks: frozenset[Path]) -> None:
    if kind != "libvirt-tck" or not watches:
        return
    libvirt_tck.sweep_hooks(hooks)
    for watch in watches:
        watch.sweep()
        watch.session.close()


def _programs(options: argparse.Namespace) -> Iterator[Program]:
    match options.kind:
        case "libvirt-tck":
            yield from _libvirt_tck(options)
        case "tap":
            for line in options.programs:
                yield Program(name=line, argv=tuple(shlex.split(line)), read=_tap(line))
        case _:
            reader = junit.parse if options.kind == "junit" else avocado.parse
            for line in options.programs:
                yield _writing_a_file(line, reader)


def _libvirt_tck(options: argparse.Namespace) -> Iterator[Program]:
    checkout = libvirt_tck.find()
    config = libvirt_tck.write_config(
        options.ledger.parent.absolute(),
        options.connect,
        options.kernel,
        options.initrd,
        image=options.image,
        destination=options.destination,
    )
    for script in checkout.named(tuple(options.programs)):
        name = str(script.relative_to(checkout.scripts))
        env = checkout.environment(script, config)
        yield Program(name=name, argv=checkout.argv(script), read=_judged(name), env=env)


def _judged(name: str) -> Reader:
    return lambda done: lacking.judge(tap.parse(name, done.stdout, done.status))


def _tap(name: str) -> Reader:
    def read(done: Completed) -> tuple[Finding, ...]:
        return tap.parse(name, done.stdout, done.status)

    return read


def _writing_a_file(line: str, parse: Parser) -> Program:
    """``COMMAND => FILE``: the command's results are in the file."""
    command, _, file = line.rpartition("=>")
    path = Path(file.strip()).expanduser()
    before = _stamp(path)

    def read(_done: Completed) -> tuple[Finding, ...]:
        if _stamp(path) == before:  # none, or that of an earlier run
            return ()
        return parse(path.read_text(encoding="utf-8", errors="replace"), source=str(path))

    return Program(name=line, argv=tuple(shlex.split(command)) or ("true",), read=read)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """What tells a file from the one that was there before; None when there is none."""
    if not path.is_file():
        return None
    status = path.stat()
    return status.st_ino, status.st_mtime_ns, status.st_size


if __name__ == "__main__":
    sys.exit(main())
