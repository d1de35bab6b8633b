"""The names that a run gives, and what becomes of them when its connection breaks."""

from __future__ import annotations

from suites.tck.lab import Lab
from suites.tck.names import PREFIX
from suites.tck.sweep import sweep
from tests.tck.conftest import new_lab


def stem(name: str) -> str:
    return name.rpartition("-")[0]


def test_two_runs_have_no_name_in_common(lab: Lab) -> None:
    other = new_lab()
    assert stem(lab.name()) != stem(other.name())
    assert lab.name().startswith(PREFIX)


def test_names_differ_after_the_connection_broke(lab: Lab) -> None:
    shared, name, folder = lab.shared().name(), lab.name(), lab.scratch.folder
    lab.session.close()
    assert lab.shared().name() != shared
    assert stem(lab.name()) != stem(name)
    assert lab.scratch.folder != folder
    assert lab.reconnected


def test_what_was_kept_goes_after_the_connection_broke(lab: Lab) -> None:
    shared = lab.shared().name()
    lab.session.close()
    again = lab.shared().name()
    sweep(lab.connection, prefix=lab.names.prefix, keep=lab.kept)
    names = {domain.name() for domain in lab.connection.listAllDomains(0)}
    assert again in names
    assert shared not in names


def test_the_first_connection_is_no_new_one(lab: Lab) -> None:
    name = lab.name()
    assert lab.connection is not None
    assert stem(lab.name()) == stem(name)
    assert not lab.reconnected
