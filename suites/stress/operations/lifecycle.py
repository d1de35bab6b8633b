"""Beginning, proving, rebooting and ending a guest."""

from __future__ import annotations

from collections.abc import Callable

from ci.errors import ProductError
from suites.stress.guest import REATTACH_SECONDS, Guest
from suites.stress.step import Step

SHUTDOWN_SECONDS = 60.0
ASK_AGAIN_SECONDS = 15.0
IN_FLIGHT_SECONDS = 0.3  # what the guest said before may still be on its way
SILENT_SECONDS = 2.5  # a heart beats once a second
STATES = ("no state", "running", "blocked", "paused", "shutdown", "shut off", "crashed", "asleep")


def create(guest: Guest, _: Step) -> None:
    """Make and start a transient domain."""
    guest.domain = guest.call(guest.connection.raw.createXML, guest.xml, 0)
    _started(guest, "create")


def define(guest: Guest, _: Step) -> None:
    """Make a persistent domain, not running."""
    guest.domain = guest.call(guest.connection.raw.defineXML, guest.xml)
    guest.done += ("define",)


def start(guest: Guest, _: Step) -> None:
    """Start a persistent domain; one that was saved goes on where it was."""
    guest.call(guest.domain.create)
    _started(guest, "start")


def _started(guest: Guest, op: str) -> None:
    guest.done += (op,)
    guest.anew()
    if guest.kind.runs:
        guest.detach()
        guest.attach()


def state(guest: Guest) -> str:
    """The domain's state by libvirt, in words."""
    return STATES[guest.call(guest.domain.state)[0]]


def _must_be(guest: Guest, wanted: str) -> None:
    found = state(guest)
    if found != wanted:
        raise ProductError(f"{guest.name} is {found}, not {wanted}", detail=guest.evidence())


def alive(guest: Guest, _: Step) -> None:
    """Prove that the guest has booted anew: by its console, or by its state where none runs."""
    if guest.kind.runs:
        seen = guest.transcript
        wait_on_console(
            guest, "boot id", lambda: seen.beats > 0 and seen.boot_id not in guest.boots
        )
        guest.boots.append(seen.boot_id)
        _same_or_another(guest)
    _must_be(guest, "running")


def _same_or_another(guest: Guest) -> None:
    """On Xen a reboot makes another domain; elsewhere the domain stays what it was."""
    if guest.host.driver == "Xen" and guest.done[-1:] == ("reboot",):
        guest.find()
        guest.anew()
    guest.goes_on()


def beat(guest: Guest, _: Step) -> None:
    """Prove that the same boot goes on: one more heartbeat under the same boot id."""
    if guest.kind.runs:
        seen, before = guest.transcript, guest.transcript.beats
        wait_on_console(
            guest, "heartbeat", lambda: seen.beats > before or seen.boot_id != guest.boot_id
        )
        if seen.boot_id != guest.boot_id:
            raise ProductError(
                f"{guest.name} has booted anew though nobody asked", detail=guest.evidence()
            )
        guest.goes_on()
    _must_be(guest, "running")


def wait_on_console(guest: Guest, what: str, shown: Callable[[], bool]) -> None:
    """Read the console, opening it again when it ends, until it has shown what is waited for.

    Raises ProductError with the console's tail when it does not.
    """
    connection = guest.connection
    until = connection.now() + guest.boot_seconds
    while not shown():
        guest.host.go_on()
        left = until - connection.now()
        if left <= 0:
            raise ProductError(
                f"{guest.name}: the console shows no new {what} within {guest.boot_seconds:g} s",
                hint="see the console's last lines; try the guest's kernel and initrd by hand",
                detail=guest.evidence(),
            )
        if guest.attached or guest.attach():
            connection.wait(f"a new {what}", lambda: _news(guest, shown), left)
        else:
            connection.pause(min(left, REATTACH_SECONDS))


def _news(guest: Guest, shown: Callable[[], bool]) -> bool:
    return shown() or not guest.attached or guest.host.interrupted


def reboot(guest: Guest, _: Step) -> None:
    """Ask for a reboot; the next ``alive`` proves it by a new boot id."""
    guest.call(guest.domain.reboot, 0)
    guest.done += ("reboot",)


def shutdown(guest: Guest, _: Step) -> None:
    """Ask the guest to power off, and wait until its domain has stopped."""
    guest.mark()
    guest.done += ("shutdown",)
    guest.call(guest.domain.shutdown)
    if not guest.kind.runs:
        return
    if not guest.connection.wait("its end", guest.ended_or_interrupted, ASK_AGAIN_SECONDS):
        guest.call(guest.domain.shutdown)
    guest.wait("shutdown", guest.ended, SHUTDOWN_SECONDS)


def destroy(guest: Guest, _: Step) -> None:
    """End the domain at once."""
    guest.call(guest.domain.destroy)
    guest.done += ("destroy",)


def undefine(guest: Guest, _: Step) -> None:
    """Remove the persistent domain's configuration."""
    guest.call(guest.domain.undefine)
    guest.done += ("undefine",)


def suspend(guest: Guest, _: Step) -> None:
    """Stop its processors; ``silent`` proves that they stand still."""
    guest.call(guest.domain.suspend)
    guest.done += ("suspend",)
    _must_be(guest, "paused")


def silent(guest: Guest, _: Step) -> None:
    """Prove that it does not run: no heartbeat comes, for longer than two are apart."""
    if guest.kind.runs:
        guest.connection.pause(IN_FLIGHT_SECONDS)
        before = guest.transcript.beats
        guest.connection.pause(SILENT_SECONDS)
        if guest.transcript.beats != before:
            raise ProductError(
                f"{guest.name} is paused by libvirt and its heart beats on",
                detail=guest.evidence(),
            )
    _must_be(guest, "paused")


def resume(guest: Guest, _: Step) -> None:
    """Let it go on; ``beat`` proves that it does."""
    guest.call(guest.domain.resume)
    guest.done += ("resume",)


def pause(guest: Guest, step: Step) -> None:
    """Let ``seconds`` pass."""
    guest.connection.pause(step.seconds)
