"""Fisher's test agrees with his own example and with plain counting."""

from __future__ import annotations

from itertools import combinations

import pytest

from ci.errors import UsageError
from ci.stats.fisher import clean_loops_needed, p_value_fewer


def test_the_lady_tasting_tea() -> None:
    # Fisher, The Design of Experiments (1935), chapter II: 1 in 70, and 17 in 70
    assert p_value_fewer(0, 4, 4, 4) == pytest.approx(1 / 70)
    assert p_value_fewer(1, 4, 3, 4) == pytest.approx(17 / 70)


def test_it_is_what_counting_all_arrangements_gives() -> None:
    now, before, failed = 5, 4, 3
    places = range(now + before)
    arrangements = list(combinations(places, failed))
    few = [chosen for chosen in arrangements if sum(place < now for place in chosen) <= 1]
    assert p_value_fewer(1, now, 2, before) == pytest.approx(len(few) / len(arrangements))


def test_the_loops_needed_are_the_fewest_that_are_significant() -> None:
    loops = clean_loops_needed(3, 100, 0.95)
    assert p_value_fewer(0, loops, 3, 100) <= 0.05 < p_value_fewer(0, loops - 1, 3, 100)


def test_nothing_can_be_better_than_no_failure() -> None:
    with pytest.raises(UsageError, match="no number of loops can be better"):
        clean_loops_needed(0, 100, 0.95)
