"""The hypervisor's own view."""

from __future__ import annotations

import os
import sys

import pytest

from ci.errors import InfraError
from suites.stress.listing import by_command, parse_xl_list, qemu_processes

XL = """\
Name                                        ID   Mem VCPUs\tState\tTime(s)
Domain-0                                     0   768     1     r-----      41.5
virtci-stress-0                              7    96     1     -b----       3.1
somebody-else                                8   512     2     r-----      10.0
(null)                                       6     0     1     --p--d       2.9
"""


def test_guests_are_read_from_xl_and_dom0_is_none() -> None:
    assert parse_xl_list(XL) == ("virtci-stress-0", "somebody-else", "(null)")


def test_a_tool_that_fails_is_the_labs_fault() -> None:
    with pytest.raises(InfraError, match="own list failed with status 7"):
        by_command((sys.executable, "-c", "raise SystemExit(7)"), 10)


def test_without_a_qemu_there_is_none() -> None:
    assert qemu_processes(os.getpid()) == {}
