"""The daemons of a host after an installation: restarted, answering, and what they say they are."""

from __future__ import annotations

from collections.abc import Sequence

from ci.deadline import Deadline, wait_until
from ci.errors import InfraError, Interrupted, ProductError, TimedOut
from ci.facts import LibvirtVersion, parse_virsh_version, parse_xl_info
from ci.shell import Argv, Completed, Shell

LOCAL_URIS = {"xen": "xen:///system", "qemu": "qemu:///system", "test": "test:///default"}
ANSWER_SECONDS = 90.0
TRY_SECONDS = 20.0
LOG_SECONDS = 20.0
_LAST_WORDS = (
    'for name do echo "== $name"; journalctl -n 40 --no-pager -u "$name" 2>/dev/null; '
    'for log in /var/log/libvirt/"$name".log /var/log/libvirt/"$name".stderr; do '
    '[ -s "$log" ] && { echo "-- $log"; tail -n 40 "$log"; }; done; done; '
    "ls -l /var/crash /var/lib/systemd/coredump 2>/dev/null | tail -n 8; true"
)


def restart(
    shell: Shell, commands: Sequence[Argv], daemons: tuple[str, ...], deadline: Deadline
) -> None:
    """Start the daemons anew. Raises ProductError with the last words of one that stays down."""
    for argv in commands:
        try:
            done = shell.run(argv, deadline)
        except TimedOut as error:
            raise _silent(shell, daemons, f"{argv[0]} took too long", str(error)) from None
        if not done.ok:
            what = f"{' '.join(argv)[:120]} ended with status {done.status}"
            raise _silent(shell, daemons, what, done.tail())


def wait_for_answer(shell: Shell, hypervisor: str, deadline: Deadline) -> LibvirtVersion:
    """Ask libvirt on the host until it answers, which also loads what is loaded on first use.

    Raises InfraError with its last answer when it does not.
    """
    uri = LOCAL_URIS.get(hypervisor, hypervisor)
    last: list[Completed] = []

    def asked() -> LibvirtVersion | None:
        done = shell.run(
            ("virsh", "-c", uri, "version", "--daemon"),
            deadline.within(TRY_SECONDS),
            env={"LC_ALL": "C"},
        )
        last[:] = [done]
        return parse_virsh_version(done.stdout) if done.ok else None

    try:
        return wait_until(f"libvirt of {shell.where}", asked, deadline.within(ANSWER_SECONDS))
    except TimedOut as error:
        raise TimedOut(
            f"libvirt of {shell.where} does not answer on {uri}",
            hint="is its daemon running there? see its log",
            detail=last[0].tail(8) if last else error.message,
        ) from None


def wait_after_install(
    shell: Shell, hypervisor: str, daemons: tuple[str, ...], deadline: Deadline
) -> LibvirtVersion:
    """The same right after an installation, when silence is the new packages' fault."""
    try:
        return wait_for_answer(shell, hypervisor, deadline)
    except TimedOut as error:
        raise _silent(shell, daemons, error.message, error.detail) from None


def last_words(shell: Shell, daemons: tuple[str, ...]) -> str:
    """The tails of the daemons' logs and the newest cores; "" when the host says nothing."""
    try:
        argv = ("sh", "-c", _LAST_WORDS, "virtci", *daemons)
        return shell.run(argv, Deadline.after(LOG_SECONDS)).stdout
    except (InfraError, Interrupted):
        return ""


def _silent(shell: Shell, daemons: tuple[str, ...], what: str, said: str) -> ProductError:
    return ProductError(
        f"{', '.join(daemons) or 'the daemons'} did not come up on {shell.where} "
        f"with the new packages: {what}",
        hint="its log's end is below; a core in /var/crash holds the backtrace",
        detail=f"{said}\n{last_words(shell, daemons)}".strip()[-8000:],
    )


def hypervisor_version(
    shell: Shell, hypervisor: str, version: LibvirtVersion | None, deadline: Deadline
) -> str:
    """What runs below libvirt, asked of itself where it can speak.

    Raises InfraError when a Xen host does not run Xen.
    """
    if hypervisor != "xen":
        return version.hypervisor if version else ""
    done = shell.run(("xl", "info"), deadline)
    info = parse_xl_info(done.stdout)
    if info is None:
        raise InfraError(
            f"{shell.where} does not run Xen",
            hint="boot it into Xen; see its boot loader",
            detail=done.tail(),
        )
    return f"Xen {info.version}"
