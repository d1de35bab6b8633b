"""Whether a Xen host can follow what a running guest writes, as live migration must.

PV guests are followed by shadow paging alone. Debian builds Xen without it (CONFIG_SHADOW_PAGING);
libxl finds that out in the middle of a migration, and its error does not say so.
"""

from __future__ import annotations

from functools import lru_cache

from ci.deadline import Deadline
from ci.errors import InfraError
from ci.shell import Argv, LocalShell
from suites.stress.guest import Guest

ASK = ("xl", "info")
ASK_SECONDS = 60.0
PARAVIRTUAL = ("xen", "linux")  # what libvirt calls their operating systems


def moves_only_stopped(guest: Guest) -> bool:
    """Whether this guest cannot be moved while it runs; False, too, when nobody can tell.

    Raises InfraError when Xen's host cannot be asked.
    """
    host = guest.host
    if host.driver != "Xen" or guest.kind.platform.os not in PARAVIRTUAL:
        return False
    if not host.local and not host.options.host_shell:
        return False
    offered = _offered(() if host.local else host.options.host_shell)
    return bool(offered) and "shadow" not in offered


@lru_cache
def _offered(shell: Argv) -> frozenset[str]:
    done = LocalShell().run((*shell, *ASK), Deadline.after(ASK_SECONDS))
    if not done.ok:
        raise InfraError(
            f"{' '.join(ASK)} failed there with status {done.status}", detail=done.tail()
        )
    return parse_offered(done.stdout)


def parse_offered(text: str) -> frozenset[str]:
    """What ``xl info`` says that Xen can do; nothing where it is too old to say."""
    values = (line.partition(":") for line in text.splitlines())
    return next(
        (frozenset(v.split()) for key, _, v in values if key.strip() == "virt_caps"), frozenset()
    )
