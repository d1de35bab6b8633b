"""All that the evidence of a host tells of crashes, each crash once, named and with its stack."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from ci.crash.console import parse_panics
from ci.crash.core import is_core, trace_core
from ci.crash.debuginfo import Sysroot, sysroot_for
from ci.crash.files import read_telling
from ci.crash.group import group
from ci.crash.kept import HANGS, SEGFAULTS, is_of_stopped
from ci.crash.logline import read_log
from ci.crash.noise import new_errors, read_noise
from ci.crash.packed import is_packed_core, unpacked
from ci.crash.signature import signature
from ci.crash.since import is_older, newer, read_mark
from ci.crash.text import parse_traces
from ci.crash.told import Told, told
from ci.crash.trace import Trace
from ci.deadline import Deadline
from ci.errors import VirtciError
from ci.model import Build, Mark, Record
from ci.shell import LocalShell

MOST_CORES = 8
ERRORS_KEPT = 20
CONSOLES = ("xl-dmesg.txt", "dmesg.txt", "console", "console.log", "serial.log")
TEXTS = ("journal.txt", "backtrace.txt")
LOGS = ("libvirtd.log", "virtxend.log", "virtqemud.log", "libxl-driver.log")
OWN = "backtrace-"  # what this module writes beside a core


class CrashReport(Record, frozen=True, kw_only=True):
    """One crash. ``files`` tell of it, relative to the evidence; ``backtrace`` is the richest one.

    ``missing`` are modules without symbols; ``errors`` is what the daemons' logs complained of
    (new kinds only); ``trouble`` says why a core could not be read.
    """

    signature: str
    told: Told
    files: tuple[str, ...]
    backtrace: str = ""
    seconds: float = 0.0
    missing: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    trouble: str = ""


class _Found(Record, frozen=True, kw_only=True):
    file: str
    trace: Trace
    backtrace: str = ""
    missing: tuple[str, ...] = ()
    seconds: float = 0.0


def explain(evidence: Path, build: Build | None, deadline: Deadline) -> tuple[CrashReport, ...]:
    """Every crash that a folder of evidence tells of: cores, journals, consoles.

    What is older than the folder's mark, where there is one, is left out. Cores are read with the
    packages of ``build``; their stacks are kept as text beside them, and without a build the text
    that is there already is taken.
    Never fails for what a host left: a core that cannot be read becomes a report that says why.
    """
    shell = LocalShell()
    found: list[_Found] = []
    broken: list[CrashReport] = []
    work = evidence / ".symbols"
    since = read_mark(evidence)
    cores = (core for core in _cores(evidence) if not is_of_stopped(core, evidence))
    fresh = [core for core in cores if not is_older(core, since)]
    for core in fresh[:MOST_CORES]:
        if build is None and _beside(core).is_file():
            found += _of_text(core, evidence)
            continue
        try:
            whole = unpacked(core, work, shell, deadline) if is_packed_core(core) else core
            if is_core(whole):
                root = sysroot_for(whole, build, work, shell, deadline)
                found += _of_core(core, whole, evidence, root, deadline)
        except VirtciError as error:
            broken.append(_unread(core, evidence, error))
    shutil.rmtree(work, ignore_errors=True)
    found += _of_texts(evidence, since)
    errors = _errors(evidence)
    reports = [
        _report([found[member] for member in one.members], one.signature, errors)
        for one in group([one.trace for one in found])
    ]
    return (*reports, *broken)


def _cores(evidence: Path) -> list[Path]:
    files = (path for path in sorted(evidence.rglob("*")) if path.is_file())
    return [path for path in files if is_packed_core(path) or is_core(path)]


def _of_core(
    core: Path, whole: Path, evidence: Path, root: Sysroot, deadline: Deadline
) -> list[_Found]:
    """``whole`` is the core unpacked, ``core`` the file in the evidence."""
    began = deadline.clock.monotonic()
    text = trace_core(
        whole, LocalShell(), deadline, sysroot=root.folder, executable=root.executable
    )
    beside = _beside(core)
    beside.write_text(text, encoding="utf-8")
    seconds = deadline.clock.monotonic() - began
    return [
        _Found(
            file=str(core.relative_to(evidence)),
            trace=trace,
            backtrace=str(beside.relative_to(evidence)),
            missing=root.missing,
            seconds=seconds,
        )
        for trace in parse_traces(text)[:1]
    ]


def _beside(core: Path) -> Path:
    return core.with_name(f"{OWN}{core.name}.txt")


def _of_text(core: Path, evidence: Path) -> list[_Found]:
    """What an earlier look, which may have had the packages, found."""
    beside = _beside(core)
    name, text = str(core.relative_to(evidence)), str(beside.relative_to(evidence))
    traces = parse_traces(read_telling(beside))[:1]
    return [_Found(file=name, trace=trace, backtrace=text) for trace in traces]


def _unread(core: Path, evidence: Path, error: VirtciError) -> CrashReport:
    name = str(core.relative_to(evidence))
    nothing = Trace()
    return CrashReport(
        signature=f"unread core {core.name}",
        told=told(nothing, name),
        files=(name,),
        trouble=f"{error.message}{f' ({error.hint})' if error.hint else ''}",
    )


def _of_texts(evidence: Path, since: Mark | None) -> Iterator[_Found]:
    for path in sorted(evidence.rglob("*")):
        if not path.is_file() or path.name.startswith(OWN):
            continue
        traces: tuple[Trace, ...] = ()
        if path.name in CONSOLES:
            traces = parse_panics(newer(path, evidence, since))
        elif path.name in TEXTS or path.name in LOGS or path.name.startswith((HANGS, SEGFAULTS)):
            traces = parse_traces(newer(path, evidence, since))
        for trace in traces:
            yield _Found(file=str(path.relative_to(evidence)), trace=trace)


def _errors(evidence: Path) -> tuple[str, ...]:
    """What the daemons' logs complain of, without known noise."""
    found: dict[str, str] = {}
    for path in sorted(evidence.rglob("*.log")):
        if path.name in LOGS:
            for one in new_errors(read_log(path, least="error"), noise=read_noise()):
                found.setdefault(one.kind, f"{one.count}x {one.first.text.splitlines()[0]}")
    return tuple(found.values())[:ERRORS_KEPT]


def _report(members: list[_Found], name: str, errors: tuple[str, ...]) -> CrashReport:
    richest = next((one for one in members if signature(one.trace) == name), members[0])
    with_core = next((one for one in members if one.backtrace), richest)
    return CrashReport(
        signature=name,
        told=told(richest.trace, richest.file),
        files=tuple(dict.fromkeys(one.file for one in members)),
        backtrace=with_core.backtrace,
        seconds=sum(one.seconds for one in members),
        missing=with_core.missing,
        errors=errors,
    )
