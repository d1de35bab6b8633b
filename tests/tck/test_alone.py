"""Cases that must be alone wait for the others, and nobody waits for ever."""

from __future__ import annotations

import threading
from pathlib import Path

from suites.tck.alone import room

SECONDS = 20.0


def test_two_cases_may_be_in_together(tmp_path: Path) -> None:
    inside = threading.Event()

    def other() -> None:
        with room(tmp_path / "call", alone=False):
            inside.set()

    with room(tmp_path / "call", alone=False):
        threading.Thread(target=other, daemon=True).start()
        assert inside.wait(SECONDS)


def test_who_is_alone_keeps_all_others_out(tmp_path: Path) -> None:
    inside = threading.Event()

    def other() -> None:
        with room(tmp_path / "call", alone=False):
            inside.set()

    thread = threading.Thread(target=other, daemon=True)
    with room(tmp_path / "call", alone=True):
        thread.start()
        assert not inside.wait(0.3)
    thread.join(SECONDS)
    assert inside.is_set()


def test_who_waits_to_be_alone_is_not_overtaken(tmp_path: Path) -> None:
    order: list[str] = []

    def enter(name: str, *, alone: bool) -> threading.Thread:
        def go() -> None:
            with room(tmp_path / "call", alone=alone):
                order.append(name)

        thread = threading.Thread(target=go, daemon=True)
        thread.start()
        thread.join(0.3)
        return thread

    with room(tmp_path / "call", alone=False):
        waiting = [enter("alone", alone=True), enter("late", alone=False)]
    for thread in waiting:
        thread.join(SECONDS)
    assert order == ["alone", "late"]
