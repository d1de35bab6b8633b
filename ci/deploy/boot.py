"""Booting a host anew: asked politely, then less so, and waited for until it is another boot."""

from __future__ import annotations

from contextlib import suppress

from ci.deadline import Deadline, wait_until
from ci.deploy.sshshell import SshShell
from ci.errors import InfraError, UsageError, VirtciError
from ci.shell import Argv, Shell

BOOT_ID: Argv = ("cat", "/proc/sys/kernel/random/boot_id")
ASK_SECONDS = 10.0
LOOK_SECONDS = 20.0
# Run apart from the connection that asks for it, which would else wait for its own end.
_APART = 'nohup sh -c "sleep 1; $1" >/dev/null 2>&1 & true'
REBOOT = "sync; systemctl reboot || busybox reboot || reboot -f"
SYSRQ = "echo 1 >/proc/sys/kernel/sysrq; echo s >/proc/sysrq-trigger; echo b >/proc/sysrq-trigger"
_ONCE = (
    'for tool in grub2-once grub2-reboot grub-reboot; do command -v "$tool" >/dev/null 2>&1 && '
    'exec "$tool" "$1"; done; echo "no grub here" >&2; exit 127'
)


def boot_id(shell: Shell, deadline: Deadline) -> str:
    """Raises InfraError when the host does not answer."""
    done = shell.run(BOOT_ID, deadline)
    if not done.ok or not done.stdout.strip():
        raise InfraError(f"{shell.where} does not tell its boot id", detail=done.tail(3))
    return done.stdout.strip()


def choose_once(shell: Shell, entry: str, deadline: Deadline) -> None:
    """Let the next boot, and only that, take this entry of grub's menu (Xen, plain KVM ...)."""
    done = shell.run(("sh", "-c", _ONCE, "virtci", entry), deadline)
    if not done.ok:
        raise UsageError(
            f'{shell.where} cannot be told to boot "{entry}" once',
            hint="is grub its boot loader, and is this an entry of its menu?",
            detail=done.tail(5),
        )


def boot_into(shell: SshShell, entry: str, deadline: Deadline) -> str:
    """Boot once into this entry; return the new boot's id. Raises UsageError or InfraError."""
    before = boot_id(shell, deadline)
    choose_once(shell, entry, deadline)
    ask_for_reboot(shell, REBOOT, deadline)
    return wait_for_new_boot(shell, before, deadline)


def ask_for_reboot(shell: Shell, how: str, deadline: Deadline) -> None:
    """Make it go down; that the connection goes with it is no error."""
    with suppress(InfraError):
        shell.run(("sh", "-c", _APART, "virtci", how), deadline.within(ASK_SECONDS))


def wait_for_new_boot(shell: SshShell, before: str, deadline: Deadline) -> str:
    """Wait until SSH answers with another boot id than before; return it. Raises TimedOut."""

    def changed() -> str | None:
        try:
            now = boot_id(shell, deadline.within(LOOK_SECONDS))
        except VirtciError:
            shell.close()
            return None
        return now if now != before else None

    return wait_until(f"a new boot of {shell.where}", changed, deadline, every=2)
