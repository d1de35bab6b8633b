"""The knobs there are, mildest first."""

from __future__ import annotations

import os
from pathlib import Path

from ci.errors import UsageError
from suites.stress.amplifiers.knob import Knob, Setting

CGROUPS = (Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup"))


def _nothing(_: Setting) -> str:
    return ""


def _daemon_known(setting: Setting) -> str:
    return "" if setting.daemon_pid else "nobody knows the daemon's process"


def _root_and_daemon(setting: Setting) -> str:
    if os.geteuid() != 0 and not setting.shell:
        return "it needs root"
    return _daemon_known(setting)


def _cgroup(setting: Setting) -> str:
    here = any(os.access(f, os.W_OK) and (f / "cgroup.procs").exists() for f in CGROUPS)
    return _root_and_daemon(setting) if here or setting.shell else "no cgroup can be made here"


def _daemon(setting: Setting) -> tuple[str, ...]:
    return (str(setting.daemon_pid),)


def _uri(setting: Setting) -> tuple[str, ...]:
    return (setting.uri,)


def _two_uri(setting: Setting) -> tuple[str, ...]:
    return (setting.uri, "2")


ALL = (
    Knob(
        name="chatter",
        about="one more connection that lists, asks and dumps all the time",
        module="chatter",
        words=_uri,
        missing=_daemon_known,
        asks=True,
    ),
    Knob(
        name="chatter2",
        about="two more such connections",
        module="chatter",
        words=_two_uri,
        missing=_daemon_known,
        asks=True,
    ),
    Knob(
        name="load",
        about="as many busy processes as there are processors",
        module="load",
        words=lambda _: (),
        missing=_nothing,
    ),
    Knob(
        name="pin",
        about="all threads of the daemon on one processor",
        module="pin",
        words=_daemon,
        missing=_root_and_daemon,
    ),
    Knob(
        name="throttle",
        about="a fifth of a processor for the daemon (cgroup)",
        module="throttle",
        words=_daemon,
        missing=_cgroup,
    ),
    Knob(
        name="jitter",
        about="single threads of the daemon stopped at random for a few milliseconds (ptrace)",
        module="jitter",
        words=_daemon,
        missing=_root_and_daemon,
        traces=True,
    ),
    Knob(
        name="stall",
        about="threads of the daemon held that have just woken others, until those rest (ptrace)",
        module="stall",
        words=_daemon,
        missing=_root_and_daemon,
        traces=True,
    ),
    Knob(
        name="slow-disk",
        about="writes, syncs and renames of the daemon take up to 60 ms (ptrace)",
        module="delay",
        words=lambda setting: (*_daemon(setting), "disk"),
        missing=_root_and_daemon,
        traces=True,
    ),
    Knob(
        name="slow-sockets",
        about="the daemon's sockets and consoles give and take up to 20 ms late (ptrace)",
        module="delay",
        words=lambda setting: (*_daemon(setting), "sockets"),
        missing=_root_and_daemon,
        traces=True,
    ),
)
KNOBS = {knob.name: knob for knob in ALL}


def chosen(names: tuple[str, ...]) -> tuple[Knob, ...]:
    """The knobs of these names. Raises UsageError."""
    for name in names:
        if name not in KNOBS:
            raise UsageError(
                f'there is no knob "{name}"',
                hint="; ".join(f"{knob.name}: {knob.about}" for knob in ALL),
            )
    knobs = tuple(KNOBS[name] for name in names)
    if len(tracing := [knob.name for knob in knobs if knob.traces]) > 1:
        raise UsageError(
            f"the knobs {' and '.join(tracing)} cannot be on together: each traces the daemon",
            hint="turn one of them on; the other knobs go with it",
        )
    return knobs
