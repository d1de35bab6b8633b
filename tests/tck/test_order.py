"""Cases are dealt to workers so that long areas begin first and stay with one worker."""

from __future__ import annotations

from itertools import chain
from types import SimpleNamespace
from typing import Any

import pytest

from suites.tck import AREAS
from suites.tck.order import LONG, Order, deal

SIZES = {"agent": 20, "block": 9, "errors": 31, "power": 12, "save": 10, "xml": 18}
CASES = {area: [f"{area}/{number}" for number in range(size)] for area, size in SIZES.items()}


def parts(row: list[str], workers: int) -> list[list[str]]:
    """As pytest-xdist cuts it."""
    size = len(row) // workers
    return [row[size * number :][:size] for number in range(workers)]


@pytest.mark.parametrize("workers", [1, 2, 3, 7, 64])
def test_no_case_is_lost_or_dealt_twice(workers: int) -> None:
    assert sorted(deal(CASES, workers)) == sorted(chain(*CASES.values()))


def test_each_part_begins_with_long_areas_and_none_is_cut() -> None:
    first, second = parts(deal(CASES, 2), 2)
    assert first[:12] == CASES["power"]
    assert second[:19] == CASES["save"] + CASES["block"]


def test_one_area_alone_is_dealt_to_all() -> None:
    assert deal({"power": CASES["power"]}, 2) == CASES["power"]


def test_the_long_areas_are_areas() -> None:
    assert set(AREAS) >= LONG.keys()


def item(name: str, *, alone: bool = False, word: str = "") -> Any:
    """A case as pytest has collected it."""
    mark = SimpleNamespace(args=(word,) if word else ()) if alone or word else None
    area, _, case = name.partition("/")
    return SimpleNamespace(nodeid=f"test_{area}.py::test_{case}", get_closest_marker=lambda _: mark)


def ordered(order: Order, *items: Any) -> list[Any]:
    kept = list(items)
    hook = SimpleNamespace(pytest_deselected=lambda items: None)
    order.pytest_collection_modifyitems(SimpleNamespace(hook=hook), kept)  # type: ignore[arg-type]
    return kept


def test_who_must_be_alone_among_workers_comes_first() -> None:
    one, apart, alone = item("agent/a"), item("save/b", word="w"), item("xml/c", alone=True)
    assert ordered(Order((), 2), one, apart, alone)[0] is alone
    assert ordered(Order((), 1), one, apart, alone) == [one, apart, alone]


def test_a_case_that_is_done_is_left_out() -> None:
    one, other = item("agent/a"), item("agent/b")
    assert ordered(Order(["agent/a"], 2), one, other) == [other]
