"""Loops that stress a hypervisor through libvirt; run as a child process.

``argv`` makes the child's command line; the ledger it writes is a journal (docs/stress.md).
"""

from __future__ import annotations

import sys

from suites.stress.options import Options, to_argv


def argv(options: Options) -> tuple[str, ...]:
    """The command that runs these options as a child process."""
    return (sys.executable, "-m", "suites.stress", *to_argv(options))
