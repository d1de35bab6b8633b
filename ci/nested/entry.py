"""A nested host that is up as an entry of a hosts file: ``virtci hosts`` works on it, too."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from ci.deploy.pool import PooledHost, pooled
from ci.deploy.power import CommandPower, Power
from ci.model import Access
from ci.nested.qemu import Machine, launch_command
from ci.ssh_uri import Hypervisor

FILE = "hosts.toml"
# $1 is the pid file of a QEMU; the process of that number may be another one by now
_OURS = 'pid=$(cat "$1" 2>/dev/null) && tr "\\0" "\\n" <"/proc/$pid/cmdline" 2>/dev/null'
_RUNS = f'{_OURS} | grep -qxF "$1"'
_STATUS = f"if {_RUNS}; then echo on; else echo off; fi"
_OFF = f'if {_RUNS}; then kill "$pid"; while [ -d "/proc/$pid" ]; do sleep 0.1; done; fi'


def write_entry(folder: Path, access: Access, machine_id: str, power: Power) -> None:
    """Write ``folder``/hosts.toml, with the host's login, identity and power switch."""
    known = pooled(access, msgspec.convert(access.hypervisor, type=Hypervisor))
    host = msgspec.structs.replace(known, labels=("nested",), machine_id=machine_id, power=power)
    (folder / FILE).write_text("\n".join(("[[hosts]]", *_lines(host), "")), encoding="utf-8")


def local_power(machine: Machine) -> CommandPower:
    """The switch of a QEMU of this machine; its disk is a fresh one after it was off."""

    def shell(script: str) -> tuple[str, ...]:
        return ("sh", "-c", script, "sh", str(machine.pidfile))

    launch = launch_command(machine)
    return CommandPower(
        status=shell(_STATUS),
        on=launch,
        off=shell(_OFF),
        cycle=shell(f"{_OFF}; {shlex.join(launch)} >/dev/null 2>&1 </dev/null"),
        console_command=("tail", "-n", "50", "-F", str(machine.console)),
    )


def _lines(host: PooledHost) -> Iterator[str]:
    """Plain values first: what follows a table's head belongs to that table."""
    told: dict[str, Any] = msgspec.to_builtins(host)
    tables = {key: value for key, value in told.items() if isinstance(value, dict)}
    yield from _values({key: value for key, value in told.items() if key not in tables})
    for key, table in tables.items():
        yield f"[hosts.{key}]"
        yield from _values(table)


def _values(table: dict[str, Any]) -> Iterator[str]:
    # a JSON string or list of strings is one of TOML, too
    return (f"{k} = {json.dumps(v)}" for k, v in table.items() if v not in (None, "", [], ()))
