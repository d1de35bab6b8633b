"""What is kept of calls."""

from __future__ import annotations

from suites.hypervisor.calls import OK, Recorder, argument_class


def test_equal_calls_are_counted_together() -> None:
    recorder = Recorder()
    recorder.add("virDomainCreate", "", OK, 0.1)
    recorder.add("virDomainCreate", "", OK, 0.3)
    (tally,) = recorder.take()
    assert (tally.count, tally.slowest) == (2, 0.3)
    assert round(tally.seconds, 6) == 0.4


def test_another_outcome_is_another_tally() -> None:
    recorder = Recorder()
    recorder.add("virDomainCreate", "", OK, 0.1)
    recorder.add("virDomainCreate", "", 55, 0.1)
    assert {tally.outcome for tally in recorder.take()} == {OK, 55}


def test_taking_the_calls_starts_anew() -> None:
    recorder = Recorder()
    recorder.add("virDomainCreate", "", OK, 0.1)
    recorder.take()
    assert recorder.take() == ()


def test_flags_are_a_class_of_arguments_and_sizes_are_not() -> None:
    assert argument_class(("memory", "flags"), (4096, 3)) == "memory, flags=0x3"
    assert argument_class(("memory", "flags"), (9999, 3)) == "memory, flags=0x3"


def test_descriptions_are_told_apart_by_their_root() -> None:
    assert argument_class(("xml",), ("<domain type='test'/>",)) == "<domain>"
    assert argument_class(("xml",), ("<network/>",)) == "<network/>"


def test_nothing_is_a_class_of_its_own() -> None:
    assert argument_class(("dconnuri",), (None,)) == "dconnuri=none"


def test_parameters_are_told_apart_by_their_names() -> None:
    assert argument_class(("params",), ({"b": 1, "a": 2},)) == "params={a,b}"
