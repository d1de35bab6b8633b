"""Hosts that failed too often are set aside until a person says otherwise.

What is known of them is kept in a file beside the hosts file, so that all who share the one share
the other, too.
"""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from ci.codec import from_json, to_json
from ci.errors import InfraError
from ci.model import Record

STRIKES = 3


class Strike(Record, frozen=True, kw_only=True):
    """``at`` is seconds since the epoch."""

    at: float
    why: str


class Standing(Record, frozen=True, kw_only=True):
    """What is held against a host since it was last well."""

    strikes: tuple[Strike, ...] = ()
    quarantined: bool = False

    def said(self) -> str:
        if not self.strikes:
            return ""
        count = f"{len(self.strikes)} of {STRIKES} strikes"
        return f"{'quarantined' if self.quarantined else count}: {self.strikes[-1].why}"


Standings = dict[str, Standing]


def file_of(hosts_file: Path) -> Path:
    return hosts_file.with_name(hosts_file.name + ".standing.json")


def standings(hosts_file: Path) -> Standings:
    """What is known of every host; those without an entry are well."""
    path = file_of(hosts_file)
    try:
        return from_json(path.read_bytes(), Standings)
    except FileNotFoundError:
        return {}
    except msgspec.MsgspecError as error:
        raise InfraError(f"{path} is damaged: {error}", hint="mend or remove it") from None


def strike(hosts_file: Path, name: str, why: str, *, at: float) -> Standing:
    """Note a failure; the third in a row means quarantine."""

    def changed(known: Standing) -> Standing:
        strikes = (*known.strikes, Strike(at=at, why=why))[-STRIKES:]
        return Standing(strikes=strikes, quarantined=known.quarantined or len(strikes) >= STRIKES)

    return _change(hosts_file, name, changed)


def well(hosts_file: Path, name: str) -> Standing:
    """Note that it is fit; that does not end a quarantine."""
    return _change(hosts_file, name, lambda known: known if known.quarantined else Standing())


def pardon(hosts_file: Path, name: str) -> Standing:
    """A person's word ends a quarantine."""
    return _change(hosts_file, name, lambda _: Standing())


def _change(hosts_file: Path, name: str, change: Callable[[Standing], Standing]) -> Standing:
    with _locked(file_of(hosts_file)):
        known = standings(hosts_file)
        former = known.get(name, Standing())
        now = change(former)
        if now != former:
            _write(file_of(hosts_file), known | {name: now})
        return now


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.with_name(path.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _write(path: Path, known: Standings) -> None:
    fresh = path.with_name(path.name + ".new")
    fresh.write_bytes(msgspec.json.format(to_json(known)))
    fresh.replace(path)
