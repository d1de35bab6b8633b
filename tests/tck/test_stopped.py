"""A case that was stopped by somebody has no verdict: it runs again when the run goes on."""

from __future__ import annotations

import pytest

from suites.tck.events import answers


def stopped_in_a_call() -> None:
    """As Python tells it: a signal came while C code was working."""
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt as stop:
        raise SystemError("<built-in> returned a result with an exception set") from stop


def test_a_stop_within_a_call_is_a_stop() -> None:
    with pytest.raises(KeyboardInterrupt), answers():
        stopped_in_a_call()


def test_another_error_of_python_stays_one() -> None:
    with pytest.raises(SystemError), answers():
        raise SystemError("other")
