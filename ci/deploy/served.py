"""Which processes answer as libvirt's daemons on a host, and which are others than before."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable

from ci.deadline import Deadline
from ci.deploy.localcores import daemon_at
from ci.model import LeftCore, Replaced, Served
from ci.shell import LocalShell

_TOLD = re.compile(r"(?P<pid>\d+) (?P<start>\d+) (?P<uptime>\d+\.\d+) ?(?P<idles>idles)?$")
TICKS = 100.0  # a second, on every architecture that libvirt is used on
# a row for each process that is named and lives
SHOW = r"""
for p; do
    [ -d "/proc/$p" ] || continue
    idles=
    tr '\0' '\n' < "/proc/$p/cmdline" | grep -qE '^(--timeout|-t[0-9]*$)' && idles=idles
    printf 'daemon\t%s\t%s %s %s %s\n' "$(cat "/proc/$p/comm")" "$p" \
        "$(cut -d' ' -f22 "/proc/$p/stat")" "$(cut -d' ' -f1 /proc/uptime)" "$idles"
done 2>/dev/null
"""
THERE = (
    r"""
set --
for f in /run/libvirtd.pid /run/virtxend.pid /run/virtqemud.pid; do
    [ -s "$f" ] && set -- "$@" "$(cat "$f")"
done
"""
    + SHOW
)


def parse_served(rows: Iterable[tuple[str, str, str]]) -> tuple[Served, ...]:
    """Of an answer's rows those that ``SHOW`` printed."""
    found = []
    for kind, program, told in rows:
        if kind == "daemon" and (seen := _TOLD.match(told)):
            start = int(seen["start"])
            served = Served(
                program=program,
                pid=int(seen["pid"]),
                start=start,
                idles=bool(seen["idles"]),
                at=time.time() - (float(seen["uptime"]) - start / TICKS),
            )
            found.append(served)
    return tuple(found)


def served_here(pids: Iterable[int], deadline: Deadline) -> tuple[Served, ...]:
    """Those processes of this machine that live."""
    argv = ("sh", "-c", SHOW, "virtci", *map(str, pids))
    text = LocalShell().run(argv, deadline).stdout
    rows = (line.split("\t", 2) for line in text.splitlines() if line.count("\t") >= 2)
    return parse_served((kind, name, told) for kind, name, told in rows)


def served_now(uri: str, before: tuple[Served, ...], deadline: Deadline) -> tuple[Served, ...]:
    """Who answers a connection of this machine. A daemon that still lives is not called upon."""
    alive = served_here((one.pid for one in before), deadline)
    if {_process(one) for one in before} == {_process(one) for one in alive}:
        return alive
    return served_here(filter(None, (daemon_at(uri),)), deadline)


def replaced(
    before: tuple[Served, ...], now: tuple[Served, ...], cores: tuple[LeftCore, ...]
) -> tuple[Replaced, ...]:
    """The daemons that ended without a core, but for those that end when nobody is connected."""
    alive = {_process(one) for one in now}
    dumped = {core.pid for core in cores}
    return tuple(
        Replaced(was=was, by=next((one for one in now if one.program == was.program), None))
        for was in before
        if not was.idles and _process(was) not in alive and was.pid not in dumped
    )


def _process(served: Served) -> tuple[int, int]:
    return served.pid, served.start
