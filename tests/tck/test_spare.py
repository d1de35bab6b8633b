"""A domain goes from case to case only as long as it is what it was."""

from __future__ import annotations

from collections.abc import Callable

import libvirt
import pytest

from suites.hypervisor.handle import Handle
from suites.tck.domains import RUNNING, state
from suites.tck.lab import Lab


def borrow(lab: Lab) -> Handle:
    def make() -> Handle:
        domain: Handle = lab.connection.defineXML(str(lab.domain()))
        domain.create()
        return domain

    return lab.spares.borrow("running", make)


def test_a_domain_that_was_left_as_it_was_is_handed_on(lab: Lab) -> None:
    first = borrow(lab)
    lab.spares.give_back("running")
    assert first.name() in lab.kept
    assert borrow(lab).name() == first.name()


def test_a_domain_that_was_paused_and_resumed_is_what_it_was(lab: Lab) -> None:
    first = borrow(lab)
    first.suspend()
    first.resume()
    lab.spares.give_back("running")
    assert borrow(lab).name() == first.name()


def test_a_domain_that_was_left_paused_is_resumed(lab: Lab) -> None:
    first = borrow(lab)
    first.suspend()
    lab.spares.give_back("running")
    assert borrow(lab).name() == first.name()
    assert state(first) == RUNNING


def test_a_transient_domain_is_handed_on_as_well(lab: Lab) -> None:
    def borrow_transient() -> Handle:
        return lab.spares.borrow("t", lambda: lab.connection.createXML(str(lab.domain()), 0))

    first = borrow_transient()
    lab.spares.give_back("t")
    assert borrow_transient().name() == first.name()
    lab.connection.defineXML(first.XMLDesc(0))
    lab.spares.give_back("t")
    assert first.name() not in lab.kept


def run_again(domain: Handle) -> None:
    domain.destroy()
    domain.create()


def test_any_run_of_it_is_only_what_it_was_for_who_says_so(lab: Lab) -> None:
    first = borrow(lab)
    run_again(first)
    lab.spares.give_back("running", any_run=True)
    assert borrow(lab).name() == first.name()
    run_again(first)
    lab.spares.give_back("running")
    assert borrow(lab).name() != first.name()


@pytest.mark.parametrize(
    "change",
    [
        lambda domain: domain.destroy(),
        lambda domain: domain.undefine(),
        lambda domain: domain.setAutostart(1),
        lambda domain: domain.setMemoryFlags(32 * 1024, libvirt.VIR_DOMAIN_AFFECT_CONFIG),
        lambda domain: domain.snapshotCreateXML("<domainsnapshot/>", 0),
        lambda domain: domain.managedSave(0),
    ],
)
def test_a_changed_one_is_left_to_the_sweep(lab: Lab, change: Callable[[Handle], None]) -> None:
    first = borrow(lab)
    change(first)
    lab.spares.give_back("running")
    assert first.name() not in lab.kept
    assert borrow(lab).name() != first.name()


def test_one_that_changed_behind_everybody_s_back_is_not_lent(lab: Lab) -> None:
    first = borrow(lab)
    lab.spares.give_back("running")
    first.destroy()
    assert borrow(lab).name() != first.name()


def test_none_is_handed_over_a_broken_connection(lab: Lab) -> None:
    first = borrow(lab)
    lab.spares.give_back("running")
    lab.session.close()
    assert lab.connection is not None
    assert borrow(lab).name() != first.name()
