"""Restarting the daemon under a running guest."""

from __future__ import annotations

from ci.deadline import Deadline
from ci.errors import ProductError, UsageError
from ci.shell import LocalShell, must
from suites.stress.guest import Guest
from suites.stress.step import Step

RESTART_SECONDS = 60.0


def restart(guest: Guest, _: Step) -> None:
    """Restart the daemon by the caller's command; the guest must live on under the new one."""
    command = guest.host.options.daemon_restart
    if not command:
        raise UsageError("restart_daemon needs --daemon-restart COMMAND")
    before = guest.host.daemon
    must(LocalShell(), command, Deadline.after(RESTART_SECONDS))
    guest.host.reconnect()
    if before.pid and guest.host.daemon == before:
        raise ProductError(f"the daemon was restarted and is still process {before.pid}")
    guest.reconnected()
