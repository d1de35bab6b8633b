"""A model of a domain's life: what each call must do to it, or how it must be refused.

The rules are libvirt's own; where a driver is known to differ, the difference is named.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from ci.model import Record

INTERNAL, OPERATION_INVALID, SYSTEM, NO_DOMAIN = 1, 55, 38, 42
NO_SUPPORT = (3, 84)
# How drivers refuse, where not by saying that the operation is invalid: seen with libvirt 9.0, each
# of them in every life that refuses. A driver that nobody has looked at may say any of them.
REFUSALS: dict[str, dict[str, int]] = {
    "TEST": {"start": INTERNAL, "suspend": INTERNAL, "resume": INTERNAL},
    "QEMU": {"remove_saved": SYSTEM},
    "Xen": {"remove_saved": INTERNAL},  # "An error occurred, but the cause is unknown"
}
SOMEHOW = frozenset((INTERNAL, OPERATION_INVALID, SYSTEM))

BOOTED = "(resumed )?started:booted (resumed )?"
RESTORED = "(resumed )?started:restored (suspended:(paused|restored) )?(resumed )?"
STOPPED = "(shutdown )?stopped:destroyed "
SAVED = "(suspended:(paused|migrated) )?stopped:saved "


class Life(Record, frozen=True, kw_only=True):
    """Where a domain is in its life. ``saved``: a managed save image exists.

    ``asleep``: it was paused when it was saved, which nobody can see before it is restored.
    """

    active: bool = False
    persistent: bool = False
    paused: bool = False
    saved: bool = False
    asleep: bool = False

    @property
    def there(self) -> bool:
        """Whether libvirt knows the domain at all."""
        return self.active or self.persistent

    @property
    def seen(self) -> Life:
        """What of it can be seen."""
        return replace(self, asleep=False)


class Expected(Record, frozen=True, kw_only=True):
    """The life afterwards and its events; ``refused`` are the error codes, empty for success."""

    life: Life
    events: str = ""
    refused: frozenset[int] = frozenset()


ABSENT = Life()


def _refuse(life: Life) -> Expected:
    return Expected(life=life, refused=SOMEHOW)


def _stopped(life: Life) -> Life:
    return replace(life, active=False, paused=False) if life.persistent else ABSENT


def define(life: Life, _: str) -> Expected:
    return Expected(life=replace(life, persistent=True), events="defined ")


def undefine(life: Life, driver: str) -> Expected:
    if life.saved:
        return _refuse(life)
    if not life.persistent:
        # the test driver lets a transient domain be undefined, to no effect
        return Expected(life=life, events="undefined ") if driver == "TEST" else _refuse(life)
    return Expected(life=replace(life, persistent=False), events="undefined ")


def create(life: Life, driver: str) -> Expected:
    if life.active:
        return _refuse(life)
    if life.saved and driver == "Xen":  # to libxl each start is a return to the saved image
        return Expected(life=Life(active=True, persistent=True), events=RESTORED)
    # a fresh start leaves the saved image alone; the test driver has only one place for both
    kept = life if driver != "TEST" else Life(persistent=life.persistent)
    return Expected(life=replace(kept, active=True), events=BOOTED)


def start(life: Life, driver: str) -> Expected:
    if life.active:
        return _refuse(life)
    # the test driver keeps no memory: to it a saved domain starts like any other
    restored = life.saved and driver != "TEST"
    after = Life(active=True, persistent=True, paused=restored and life.asleep)
    return Expected(life=after, events=RESTORED if restored else BOOTED)


def suspend(life: Life, driver: str) -> Expected:
    if not life.active:
        return _refuse(life)
    if life.paused:  # these drivers take it as done
        return Expected(life=life) if driver in ("QEMU", "Xen") else _refuse(life)
    return Expected(life=replace(life, paused=True), events="suspended:paused ")


def resume(life: Life, driver: str) -> Expected:
    if not life.active:
        return _refuse(life)
    if not life.paused:  # libxl takes it as done
        return Expected(life=life) if driver == "Xen" else _refuse(life)
    return Expected(life=replace(life, paused=False), events="resumed ")


def destroy(life: Life, _: str) -> Expected:
    return Expected(life=_stopped(life), events=STOPPED) if life.active else _refuse(life)


def managed_save(life: Life, driver: str) -> Expected:
    if not life.active or not life.persistent:
        return _refuse(life)
    if life.paused and driver == "Xen":  # a guest has to take part in that, and cannot
        return _refuse(life)
    after = Life(persistent=True, saved=True, asleep=life.paused)
    return Expected(life=after, events=SAVED)


def remove_saved(life: Life, driver: str) -> Expected:
    if not life.saved and driver in ("QEMU", "Xen"):
        return _refuse(life)
    return Expected(life=replace(life, saved=False, asleep=False))


def look(life: Life, _: str) -> Expected:
    return Expected(life=life)


RULES: dict[str, Callable[[Life, str], Expected]] = {
    "define": define,
    "undefine": undefine,
    "create": create,
    "start": start,
    "suspend": suspend,
    "resume": resume,
    "destroy": destroy,
    "managed_save": managed_save,
    "remove_saved": remove_saved,
    "dump_xml": look,
    "info": look,
}
MAKES = ("define", "create")  # these need no domain to begin with


def predict(life: Life, action: str, driver: str) -> Expected:
    """What ``action`` must do to a domain in this life."""
    if not life.there and action not in MAKES:
        return Expected(life=life, refused=frozenset((NO_DOMAIN,)))
    expected = RULES[action](life, driver)
    if not expected.refused or driver not in REFUSALS:
        return expected
    code = REFUSALS[driver].get(action, OPERATION_INVALID)
    return replace(expected, refused=frozenset((code,)))
