"""What a stress loop is told: a record, its command line, and back."""

from __future__ import annotations

import argparse
import re
import shlex
from typing import Literal

from ci.model import Record

OnDaemonDeath = Literal["stop", "continue"]


class Options(Record, frozen=True, kw_only=True):
    """All that shapes a loop. Commands are argument tuples that the caller has made.

    ``hypervisor_list`` prints the hypervisor's own view (``xl list``); ``daemon_probe`` prints the
    pid of the daemon, and if it likes its start time, and then the numbers of its descriptors and
    threads and its KiB in memory; ``daemon_backtrace`` prints where the threads of a hanging one
    stand. All are for hosts that are not this machine.
    ``host_shell`` runs the command that is put behind it on that host: knobs are sent there.
    ``inventory`` prints a line for each object of the host that guests may leave behind.
    """

    connect: str
    ledger: str
    scenario: str = "lifecycle"
    loops: int = 0  # 0: no limit
    seconds: float = 0.0  # 0: no limit
    until: str = ""
    against: str = ""
    seed: int = 0
    only: int = 0  # play this one iteration again, from its seed
    guests: int = 1  # 0: as many as the host bears
    worker: int = 0
    on_daemon_death: OnDaemonDeath = "continue"
    guest_kind: str = ""
    guest_kernel: str = ""
    guest_initrd: str = ""
    memory_mib: int = 96
    hypervisor_list: tuple[str, ...] = ()
    inventory: tuple[str, ...] = ()
    daemon_probe: tuple[str, ...] = ()
    daemon_backtrace: tuple[str, ...] = ()
    host_shell: tuple[str, ...] = ()
    call_seconds: float = 60.0
    boot_seconds: float = 180.0
    host: str = ""
    scratch: str = ""  # on the host: saved guests and small disks
    daemon_restart: tuple[str, ...] = ()
    destination: str = ""
    migrate_uri: str = ""
    knobs: tuple[str, ...] = ()
    amplify: float = 0.0  # seconds to measure each knob for, before the loop

    def subject(self) -> tuple[object, ...]:
        """What may not change when a ledger is gone on with.

        Where a run names the host, it says itself which one that is, and by which address it is
        reached today: a nested host has another port after each boot.
        """
        several = self.guests != 1
        connect = re.split(r"[+:]", self.connect)[0] if self.host else self.connect
        return (connect, self.scenario, self.seed, several, self.worker, self.guest_kind)


def parser() -> argparse.ArgumentParser:
    """The options of ``python -m suites.stress``."""
    words = argparse.ArgumentParser(prog="suites.stress", description="Loop guests.")
    add = words.add_argument
    add("--connect", required=True, metavar="URI")
    add("--ledger", required=True, metavar="FILE")
    add("--scenario", default="lifecycle")
    add("-n", "--loops", type=int, default=0)
    add("--time", dest="seconds", type=float, default=0.0, metavar="SECONDS")
    add("--until", default="", metavar="GOAL", help="such as 'rate<0.5%% @95%%'")
    add("--against", default="", metavar="K/N", help="failures and loops before the fix")
    add("--seed", type=int, default=0)
    add("--only", type=int, default=0, metavar="ITERATION")
    add("--guests", type=_guests, default=1, metavar="N|auto")
    add("--worker", type=int, default=0, help=argparse.SUPPRESS)
    add("--on-daemon-death", choices=("stop", "continue"), default="continue")
    add("--guest-kind", default="", help="qemu, kvm, xen-pv, xen-pvh; default: by the connection")
    add("--guest-kernel", default="", metavar="PATH")
    add("--guest-initrd", default="", metavar="PATH")
    add("--memory-mib", type=int, default=96)
    add("--hypervisor-list", type=_argv, default=(), metavar="COMMAND")
    add("--inventory", type=_argv, default=(), metavar="COMMAND")
    add("--daemon-probe", type=_argv, default=(), metavar="COMMAND")
    add("--daemon-backtrace", type=_argv, default=(), metavar="COMMAND")
    add("--host-shell", type=_argv, default=(), metavar="COMMAND", help="ssh to the daemon's host")
    add("--call-seconds", type=float, default=60.0)
    add("--boot-seconds", type=float, default=180.0)
    add("--host", default="", help="the name of the host in results")
    add("--scratch", default="", metavar="FOLDER")
    add("--daemon-restart", type=_argv, default=(), metavar="COMMAND")
    add("--destination", default="", metavar="URI", help="a second host, to migrate to")
    add("--migrate-uri", default="", metavar="THERE[,BACK]", help="what each calls the other")
    add("--knobs", type=_argv, default=(), help="amplifiers to turn on, in quotes")
    add("--amplify", type=float, default=0.0, metavar="SECONDS", help="measure each knob first")
    return words


def _argv(text: str) -> tuple[str, ...]:
    return tuple(shlex.split(text))


def _guests(text: str) -> int:
    return 0 if text == "auto" else int(text)


def to_argv(options: Options) -> tuple[str, ...]:
    """The arguments that ``parser`` makes these options of; what is default is left out."""
    spelt = {"seconds": "--time"}
    words: list[str] = []
    defaults = Options(connect="", ledger="")
    for name in Options.__struct_fields__:
        value = getattr(options, name)
        if value != getattr(defaults, name):
            text = shlex.join(value) if isinstance(value, tuple) else str(value)
            words += [spelt.get(name, "--" + name.replace("_", "-")), text]
    return tuple(words)
