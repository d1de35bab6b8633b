"""The tiny guest on a host: built here once, uploaded where it is not there already."""

from __future__ import annotations

from pathlib import Path

from ci.deploy.deploy import ensure_guest
from ci.deploy.ssh_errors import target_of
from ci.deploy.sshshell import SshShell
from ci.guest.build import build_guest
from ci.model import Access, Record
from ci.run import Step


class GuestFiles(Record, frozen=True, kw_only=True):
    """Where kernel and initrd lie for the hypervisor: on the host, or here for a local one."""

    kernel: str
    initrd: str


def place_guest(step: Step, access: Access) -> GuestFiles:
    """See that the guest can be booted on this host. Raises InfraError when it cannot be made."""
    guest = build_guest(step.shell, step.deadline, say=step.say)
    if not access.port:
        return GuestFiles(kernel=guest.kernel, initrd=guest.initrd)
    with SshShell(target_of(access)) as shell:
        kernel, initrd = ensure_guest(shell, Path(guest.kernel), Path(guest.initrd), step.deadline)
    return GuestFiles(kernel=kernel, initrd=initrd)
