"""How the suite is asked to run: the options on its command line."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Options:
    """How the suite was asked to run. ``worker`` keeps parallel workers apart."""

    uri: str
    worker: str = "0"
    kernel: str = ""
    initrd: str = ""
    destructive: bool = False
    patience: float = 1.0
    daemon_probe: tuple[str, ...] = ()
    daemon_backtrace: tuple[str, ...] = ()
    hypervisor_list: tuple[str, ...] = ()
    hypervisor_destroy: tuple[str, ...] = ()


def add_options(group: pytest.OptionGroup) -> None:
    """Put them on the command line."""
    group.addoption("--connect", metavar="URI", help="the libvirt connection to test (required)")
    group.addoption("--ledger", type=Path, help="where verdicts go; resumes when it exists")
    group.addoption("--destructive", action="store_true", help="also suspend the node, detach ...")
    group.addoption("--guest-kernel", default="", help="the probe guest, on the host under test")
    group.addoption("--guest-initrd", default="", help="its initrd")
    group.addoption("--host", default="", help="what the host is called in the ledger")
    group.addoption("--daemon-probe", default="", help="command: prints pid and start of a daemon")
    group.addoption("--daemon-backtrace", default="", help="command: prints its threads' stacks")
    group.addoption("--hypervisor-list", default="", help="command: its own list, as xl list")
    group.addoption("--hypervisor-destroy", default="", help="command: ends a domain by number")
    group.addoption("--patience", type=float, default=1.0, help="multiplies every deadline")


def options_of(config: pytest.Config, worker: str) -> Options:
    """What the command line said. ``worker`` is empty when there is one alone."""
    return Options(
        uri=config.getoption("connect"),
        worker=worker or "0",
        kernel=config.getoption("guest_kernel"),
        initrd=config.getoption("guest_initrd"),
        destructive=config.getoption("destructive"),
        patience=config.getoption("patience"),
        daemon_probe=tuple(shlex.split(config.getoption("daemon_probe"))),
        daemon_backtrace=tuple(shlex.split(config.getoption("daemon_backtrace"))),
        hypervisor_list=tuple(shlex.split(config.getoption("hypervisor_list"))),
        hypervisor_destroy=tuple(shlex.split(config.getoption("hypervisor_destroy"))),
    )
