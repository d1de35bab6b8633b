"""The table on a terminal: counts, rate and time left; lines where there is no terminal."""

from __future__ import annotations

import io

from rich.console import Console

from ci.model import Outcome
from ci.report.console import ConsoleWatcher
from ci.report.live_view import LiveView, watching
from tests.clock import FakeClock
from tests.made_runs import case


def screen(view: LiveView, width: int = 160) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(view)
    return out.getvalue()


def test_a_running_loop_shows_counts_rate_and_the_time_that_is_left() -> None:
    clock = FakeClock()
    console = Console(file=io.StringIO())
    view = LiveView(console, {"suites/xen1/stress": 100}, clock)
    view.started("suites/xen1/stress")
    for number in range(10):
        clock.sleep(2.0)
        view.case("suites/xen1/stress", case(f"iteration-{number:06}"))
    view.case("suites/xen1/stress", case("iteration-000010", Outcome.FAILED, "no reboot"))
    text = screen(view)
    assert "10 passed, 1 failed" in text
    assert "1 of 11 failed: rate 9.09 %" in text
    assert "11/100, 2 min 41 s left" in text


def test_a_finished_step_keeps_its_time_and_hostile_text_is_no_markup() -> None:
    clock = FakeClock()
    view = LiveView(Console(file=io.StringIO()), clock=clock)
    view.started("[red]step")
    view.said("[red]step", "\x1b[2J[bold]wiped\nsecond line")
    assert "[red]step" in screen(view)
    assert "\\x1b[2J[bold]wiped" in screen(view)
    clock.sleep(500)
    view.ended("[red]step", Outcome.PASSED, 3.0, again=True)
    assert "3.00 s" in screen(view)


def test_many_finished_steps_do_not_fill_the_screen() -> None:
    view = LiveView(Console(file=io.StringIO()))
    for number in range(50):
        view.ended(f"step-{number}", Outcome.PASSED, 1.0, again=True)
    view.started("now")
    assert len(screen(view).splitlines()) < 12
    assert "now" in screen(view)


def test_failures_are_told_above_the_table() -> None:
    out = io.StringIO()
    view = LiveView(Console(file=out, width=200))
    view.case("suites/xen1/tck", case("area/x", Outcome.FAILED, "wrong state"))
    assert "failed area/x: wrong state" in out.getvalue()


def test_cases_of_a_host_that_was_lost_are_taken_back() -> None:
    out = io.StringIO()
    view = LiveView(Console(file=out, width=200))
    lost = [case(f"area/{n}", Outcome.FAILED, "the connection broke") for n in range(5)]
    view.case("suites/xen1/tck", case("area/good"))
    for each in lost:
        view.case("suites/xen1/tck", each)
    view.withdrawn("suites/xen1/tck", lost, "xen1 was lost")
    told = "not counted: area/0, area/1, area/2 and 2 more: xen1 was lost"
    assert told in out.getvalue()
    assert "1 passed" in screen(view)
    assert "failed" not in screen(view)


def test_a_pipe_gets_lines_and_a_terminal_the_table() -> None:
    with watching(Console(file=io.StringIO())) as watcher:
        assert isinstance(watcher, ConsoleWatcher)
    out = io.StringIO()
    with watching(Console(file=out, force_terminal=True, width=120)) as watcher:
        assert isinstance(watcher, LiveView)
        watcher.started("build")
    assert "build" in out.getvalue()
