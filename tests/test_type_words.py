"""Wrong types are told in words, not in those of Python."""

from __future__ import annotations

import pytest

from ci.type_words import in_words


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("Expected `object | null`, got `int`", "expected a table, not a whole number"),
        ("Expected `str | array`, got `bool`", "expected a string or a list, not true or false"),
        ("Expected `int` >= 1", "expected a whole number >= 1"),
        ("Expected `str` of length >= 1", "expected a string of length >= 1"),
        ("Expected `odd`, got `float`", "expected odd, not a fraction"),
        ("Expected `float`, got `str`", "expected a number, not a string"),
        ("Object has `2` keys", "Object has `2` keys"),
    ],
)
def test_types_have_the_names_that_people_use(said: str, words: str) -> None:
    assert in_words(said) == words
