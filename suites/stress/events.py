"""The events that operations make, by driver: what was heard has to fit what was done, in order.

A life's beginning and end are told with how they came about: a guest that was asked to power off
and crashed instead has stopped as well.
"""

from __future__ import annotations

import re
from functools import lru_cache

# What an operation makes of its own is exact. What the hypervisor does on the way may be told or
# not; "( )?" is what some versions send and others do not.
RUNS_ON = "(resumed )?"
HALTED = "(suspended:(paused|migrated) )?"
POWERED_OFF = "(shutdown )?stopped:shutdown "
DESTROYED = "(shutdown )?stopped:destroyed "
BOOTED = "started:booted "
RESTORED = f"{RUNS_ON}started:restored (suspended:(paused|restored) )?{RUNS_ON}"
SNAPSHOT = "((started|suspended|stopped):snapshot |resumed |suspended:paused )*"
MIGRATED = "(suspended:(paused|migrated) )?stopped:migrated "  # away; and it came back
TAKEN = "(suspended:paused resumed )?"

# Each is followed by a blank. An operation that is not named makes no event of the guest's life.
EVENTS: dict[str, dict[str, str]] = {
    "TEST": {
        "create": BOOTED,
        "define": "defined ",
        "undefine": "undefined ",
        "start": f"({BOOTED}|started:restored )",
        "suspend": "suspended:paused ",
        "resume": "resumed ",
        "save": "stopped:saved ",
        "restore": "started:restored ",
        "managed_save": "stopped:saved ",
        "revert": SNAPSHOT,
        "shutdown": "stopped:shutdown ",
        "destroy": "stopped:destroyed ",
    },
    "QEMU": {
        "create": f"{RUNS_ON}{BOOTED}",
        "define": "defined ",
        "undefine": "undefined ",
        "start": f"({RUNS_ON}{BOOTED}{RUNS_ON}|{RESTORED})",
        "suspend": "suspended:paused ",
        "resume": "resumed ",
        "save": f"{HALTED}stopped:saved ",
        "restore": RESTORED,
        "managed_save": f"{HALTED}stopped:saved ",
        "abort_job": f"{HALTED}{RUNS_ON}",
        "migrate": f"{MIGRATED}started:migrated {RUNS_ON}",
        "snapshot": TAKEN,
        "revert": f"{SNAPSHOT}(defined )?",
        "reboot": "(rebooted )+",
        "shutdown": POWERED_OFF,
        "destroy": DESTROYED,
    },
    "Xen": {
        "create": BOOTED,
        "define": "defined ",
        "undefine": "undefined ",
        "start": f"({RUNS_ON}{BOOTED}{RUNS_ON}|{RESTORED})",
        "suspend": "suspended:paused ",
        "resume": "resumed ",
        "save": "stopped:saved ",
        "restore": RESTORED,
        "managed_save": "stopped:saved ",
        # libxl tells of the old domain's end after the new one's start (seen with libvirt 9.0)
        "reboot": (
            f"(rebooted )?(shutdown )?(stopped:shutdown {BOOTED}|{BOOTED}stopped:shutdown )"
        ),
        "migrate": "stopped:migrated started:restored resumed ",
        "shutdown": POWERED_OFF,
        "destroy": DESTROYED,
    },
}


@lru_cache(maxsize=4096)
def _pattern(driver: str, done: tuple[str, ...]) -> re.Pattern[str]:
    known = EVENTS[driver]
    return re.compile("".join(known.get(op, "") for op in done))


def fit(driver: str, done: tuple[str, ...], heard: str) -> bool:
    """Whether ``heard`` (names, each followed by a blank) is what ``done`` makes.

    A driver whose events nobody has looked at yet is not judged.
    """
    return driver not in EVENTS or _pattern(driver, done).fullmatch(heard) is not None


def expected(driver: str, done: tuple[str, ...]) -> str:
    """The pattern, for people."""
    return _pattern(driver, done).pattern.strip() if driver in EVENTS else "anything"
