"""What a row of results means."""

from __future__ import annotations

import random

import msgspec
import pytest

from ci.history.speed import change_point
from ci.history.status import Point, Status, first_bad, last_good, status


def row(marks: str, *, same_source: bool = False) -> list[Point]:
    """One point per mark: ``.`` good, ``F`` bad, ``!`` broken by the lab."""
    return [
        Point(
            run=f"run-{n}", started=float(n), source="s" if same_source else f"s{n}", packages="",
            passed=int(mark == "."), failed=int(mark == "F"), broken=int(mark == "!"),
        )
        for n, mark in enumerate(marks)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        ("", Status.UNKNOWN),
        ("!!", Status.UNKNOWN),
        (".", Status.PASS),
        ("..", Status.PASS),
        (".F", Status.REGRESSION),
        (".!F", Status.REGRESSION),
        (".FF", Status.FAILING),
        ("F", Status.FAILING),
        ("F.", Status.FIXED),
        ("F!.", Status.FIXED),
        ("F..", Status.PASS),
        (".F!", Status.REGRESSION),
    ],
)
def test_status(marks: str, expected: Status) -> None:
    assert status(row(marks)) is expected


def test_the_same_source_both_good_and_bad_is_unstable() -> None:
    assert status(row(".F.", same_source=True)) is Status.UNSTABLE
    assert status(row("....", same_source=True)) is Status.PASS


def test_where_nothing_says_what_was_tested_nobody_can_call_it_the_same() -> None:
    unknown = [
        msgspec.structs.replace(p, source="", packages="") for p in row(".F", same_source=True)
    ]
    assert status(unknown) is Status.REGRESSION


def test_first_bad_and_last_good_stand_around_the_change() -> None:
    points = row("F..!F!FF")
    random.Random(1).shuffle(points)
    first, good = first_bad(points), last_good(points)
    assert (first and first.run, good and good.run) == ("run-4", "run-2")
    assert first_bad(row("F.")) is None
    assert last_good(row("FF")) is None


def test_a_step_that_became_slow_is_found_where_it_did() -> None:
    noise = random.Random(7)
    values = [1.0 + noise.random() / 5 for _ in range(20)]
    values += [1.6 + noise.random() / 5 for _ in range(12)]
    found = change_point(values)
    assert found is not None
    assert abs(found.index - 20) <= 1
    assert found.before < 1.2
    assert found.after >= 1.6


def test_noise_alone_is_rarely_called_a_change() -> None:
    noise = random.Random(3)
    found = [change_point([noise.gauss(1, 0.2) for _ in range(30)]) for _ in range(300)]
    assert sum(one is not None for one in found) <= 6  # 1 % asked for


def test_few_values_show_nothing() -> None:
    assert change_point([1, 1, 1, 9, 9, 9]) is None
