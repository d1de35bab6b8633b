"""Several guests, one verdict."""

from __future__ import annotations

from suites.stress.crew import _is_later


def test_iterations_are_compared_as_numbers_beyond_a_million() -> None:
    assert _is_later("iteration-000002", "iteration-000001")
    assert _is_later("iteration-1000000", "iteration-999999")
    assert not _is_later("iteration-000002", "iteration-000002")
    assert _is_later("iteration-000001", "")
