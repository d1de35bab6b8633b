"""Random walks: legal and illegal calls on several connections, against the model of a life.

A walk is a tuple of moves, drawn from the iteration's own random numbers, so a seed and a number
give it again. A walk that fails is made shorter as long as it still fails.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import libvirt

from ci.errors import ProductError
from ci.model import Record
from suites.stress.connection import Connection
from suites.stress.domain_xml import domain_xml
from suites.stress.guest_console import Transcript
from suites.stress.life import ABSENT, NO_SUPPORT, RULES, Expected, Life, predict
from suites.stress.operations.lifecycle import wait_on_console
from suites.stress.play import Play
from suites.stress.shrink import shortest

SHORTEST_WALK, LONGEST_WALK = 3, 25
CONNECTIONS = 2
EVENT_SECONDS = 5.0
SHRINK_SECONDS = 120.0
GUESTS_SAVE = ("Xen",)  # drivers whose guests take part in being saved


class Move(Record, frozen=True, kw_only=True):
    """One call on one of the connections."""

    action: str
    connection: int = 0

    def __str__(self) -> str:
        return self.action if not self.connection else f"{self.action}@{self.connection + 1}"


Walk = tuple[Move, ...]


def draw(play: Play) -> Walk:
    """The walk of this iteration."""
    random, actions = play.random, sorted(RULES)
    return tuple(
        Move(action=random.choice(actions), connection=random.randrange(CONNECTIONS))
        for _ in range(random.randint(SHORTEST_WALK, LONGEST_WALK))
    )


def perform(play: Play) -> None:
    """Walk. Raises ProductError with the shortest sequence that still fails."""
    walker = Walker(play)
    walk = draw(play)
    try:
        try:
            walker.go(walk, record=True)
        except ProductError as error:
            raise _told(walker, walk, error) from None
        walker.leave()
    finally:
        walker.close()


def _told(walker: Walker, walk: Walk, error: ProductError) -> ProductError:
    """The same error with the shortest walk to it."""
    if not walker.host_is_well():
        return error
    until = time.monotonic() + SHRINK_SECONDS

    def fails(shorter: Walk) -> bool:
        return time.monotonic() < until and walker.fails(shorter)

    short = shortest(walk, fails)
    said = ", ".join(map(str, short))
    return ProductError(
        f"{error.message}; the shortest sequence that fails: {said}",
        detail=f"the whole walk: {', '.join(map(str, walk))}\n{error.detail}",
    )


class Walker:
    """Plays moves on a domain and compares it with the model after each."""

    def __init__(self, play: Play) -> None:
        self.play = play
        self.guest = play.guest
        self.life = ABSENT
        self.xml = domain_xml(self.guest.name, self.guest.kind, keep_uuid=True)
        self._others: list[Connection] = []

    def _connection(self, number: int) -> Connection:
        if not number:
            return self.guest.connection
        while len(self._others) < number:
            host = self.guest.host
            other = Connection(
                host.options.connect,
                host.guard,
                lambda _domain, _event: None,
                call_seconds=host.options.call_seconds,
            )
            other.open()
            self._others.append(other)
        return self._others[number - 1]

    def go(self, walk: Walk, *, record: bool) -> None:
        """Make every move."""
        for move in walk:
            if record:
                self.play.do(move.action, self.make, move)
            else:
                self.make(move)

    def make(self, move: Move) -> None:
        """One call, and everything that has to hold after it."""
        driver = self.guest.host.driver
        expected = predict(self.life, move.action, driver)
        if move.action == "managed_save" and driver in GUESTS_SAVE and not expected.refused:
            self._await_boot()
        self.guest.events = ""
        code = self._call(move)
        if code in NO_SUPPORT:
            return
        if code not in (expected.refused or {0}):
            wanted = f"error {sorted(expected.refused)}" if expected.refused else "success"
            got = f"error {code}" if code else "success"
            raise ProductError(f"{move} in {_words(self.life)} ended with {got}, not {wanted}")
        self._hear(move, expected)
        self.life = expected.life
        for number in range(CONNECTIONS):
            self._compare(move, self._connection(number))

    def _await_boot(self) -> None:
        """Wait for a heartbeat: a guest that has not booted cannot be saved, and that is right."""
        self.guest.detach()
        seen = self.guest.transcript = Transcript()
        wait_on_console(self.guest, "heartbeat", lambda: seen.beats > 0)
        self.guest.detach()

    def _call(self, move: Move) -> int:
        """The error code, 0 for success."""
        connection = self._connection(move.connection)
        try:
            _ACTIONS[move.action](connection, self)
        except libvirt.libvirtError as error:
            return int(error.get_error_code())
        return 0

    def _hear(self, move: Move, expected: Expected) -> None:
        pattern = re.compile(expected.events)

        def heard() -> bool:
            return pattern.fullmatch(self.guest.events) is not None

        if not self.guest.connection.wait("events", heard, EVENT_SECONDS):
            raise ProductError(
                f"{move} in {_words(self.life)} made the events "
                f"[{self.guest.events.strip()}], not [{expected.events.strip()}]"
            )

    def _compare(self, move: Move, connection: Connection) -> None:
        found = self._look(connection)
        if found != self.life.seen:
            raise ProductError(
                f"after {move} the domain is {_words(found)}, it should be {_words(self.life)}"
            )

    def _look(self, connection: Connection) -> Life:
        try:
            domain = connection.call(connection.raw.lookupByName, self.guest.name)
            state = connection.call(domain.state)[0]
            persistent = bool(connection.call(domain.isPersistent))
            saved = bool(connection.call(domain.hasManagedSaveImage))
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                return ABSENT
            raise
        return Life(
            active=state not in (libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_CRASHED),
            persistent=persistent,
            paused=state == libvirt.VIR_DOMAIN_PAUSED,
            saved=saved,
        )

    def leave(self) -> None:
        """Bring the domain to its end by the model's own way, so that nothing is left."""
        if self.life.saved:
            self.make(Move(action="remove_saved"))
        if self.life.active:
            self.make(Move(action="destroy"))
        if self.life.persistent:
            self.make(Move(action="undefine"))
        self.guest.events = ""

    def fails(self, walk: Walk) -> bool:
        """Whether this walk fails from a clean start."""
        self._reset()
        try:
            self.go(walk, record=False)
        except ProductError:
            return True
        finally:
            self._reset()
        return False

    def _reset(self) -> None:
        self.guest.host.sweep(self.guest.name, alone=False)
        self.guest.connection.pause(0.02)
        self.life, self.guest.events = ABSENT, ""

    def host_is_well(self) -> bool:
        """Whether it makes sense to try again at once."""
        return self.guest.connection.alive()

    def close(self) -> None:
        for other in self._others:
            other.close()


def _words(life: Life) -> str:
    if not life.there:
        return "absent"
    state = "paused" if life.paused else "running" if life.active else "shut off"
    kind = "persistent" if life.persistent else "transient"
    return f"{kind}, {state}{', saved' if life.saved else ''}"


def _on_domain(name: str, *values: object) -> Callable[[Connection, Walker], Any]:
    def act(connection: Connection, walker: Walker) -> Any:
        domain = connection.call(connection.raw.lookupByName, walker.guest.name)
        return connection.call(getattr(domain, name), *values)

    return act


_ACTIONS: dict[str, Callable[[Connection, Walker], Any]] = {
    "define": lambda connection, walker: connection.call(connection.raw.defineXML, walker.xml),
    "create": lambda connection, walker: connection.call(connection.raw.createXML, walker.xml, 0),
    "undefine": _on_domain("undefine"),
    "start": _on_domain("create"),
    "suspend": _on_domain("suspend"),
    "resume": _on_domain("resume"),
    "destroy": _on_domain("destroy"),
    "managed_save": _on_domain("managedSave", 0),
    "remove_saved": _on_domain("managedSaveRemove", 0),
    "dump_xml": _on_domain("XMLDesc", 0),
    "info": _on_domain("info"),
}
