"""Strict decoding: every complaint says where, what, and what was probably meant."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Literal, TypeAlias

import pytest

from ci.codec import decode, fingerprint, parse_toml, read_text
from ci.errors import UsageError
from ci.model import Record


class Apple(Record, frozen=True, kw_only=True, tag_field="kind", tag="apple"):
    weight: int
    colour: str = "red"


class Pear(Record, frozen=True, kw_only=True, tag_field="kind", tag="pear"):
    length: int


Fruit: TypeAlias = Apple | Pear


class Basket(Record, frozen=True, kw_only=True):
    owner: str = ""
    first: Fruit | None = None
    fruits: tuple[Fruit, ...] = ()


def complaint(text: str) -> str:
    with pytest.raises(UsageError) as caught:
        decode(parse_toml(text, Path("plan.toml")), Basket, source="plan.toml", text=text)
    return caught.value.message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ownr = 'x'", 'plan.toml:1: ownr: unknown key; did you mean "owner"?'),
        (
            "owner = 'x'\n\n[first]\nkind = 'apple'\nweigth = 1\n",
            'plan.toml:5: first.weigth: unknown key; did you mean "weight"?',
        ),
        (
            "[[fruits]]\nkind='pear'\nlength=1\n[[fruits]]\nkind='apple'\nweight='x'",
            "plan.toml:6: fruits[1].weight: expected a whole number, not a string",
        ),
        (
            "[[fruits]]\nkind = 'aple'\nweight=1",
            'plan.toml:2: fruits[0].kind: "aple" is no kind known here; did you mean "apple"?',
        ),
        (
            "[first]\nkind = 'banana'",
            'plan.toml:2: first.kind: "banana" is no kind known here; known: apple, pear',
        ),
        ("[first]\nkind = 'pear'", 'plan.toml:1: first: the key "length" is missing'),
        ("[first]\nlength = 1", 'plan.toml:1: first: the key "kind" is missing'),
        ("first = 3", "plan.toml:1: first: expected a table, not a whole number"),
    ],
)
def test_a_wrong_plan_is_one_sentence_with_its_place(text: str, expected: str) -> None:
    assert complaint(text) == expected


def test_broken_toml_names_line_and_column() -> None:
    with pytest.raises(UsageError, match=r"plan.toml:2:5: not valid TOML: Invalid value"):
        parse_toml("a = 1\nb = ?", Path("plan.toml"))
    with pytest.raises(UsageError, match=r"plan.toml:2: not valid TOML: .* at the end"):
        parse_toml("a = 1\nb = [", Path("plan.toml"))


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="is not UTF-8 text"):
        read_text(tmp_path / "p.toml")
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        read_text(tmp_path / "absent.toml")


def test_the_mark_and_the_line_ends_of_other_editors_are_no_part_of_a_text(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_bytes(b"\xef\xbb\xbfowner = 'x'\r\nfirst = 3\r\n")
    assert read_text(tmp_path / "p.toml") == "owner = 'x'\nfirst = 3\n"


def test_a_file_without_an_end_is_refused() -> None:
    with pytest.raises(UsageError, match="/dev/zero: has more than 64 MiB"):
        read_text(Path("/dev/zero"))


@pytest.mark.parametrize("text", ["a = " + "[" * 9000, "a = " + "{a=" * 9000 + "1" + "}" * 9000])
def test_nesting_without_end_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"plan\.toml: is nested too deeply"):
        parse_toml(text, Path("plan.toml"))


class Colour(enum.StrEnum):
    RED = "red"
    GREEN = "dark-green"


class Wall(Record, frozen=True, kw_only=True):
    colour: Literal["white", "grey"] | None = None
    colours: tuple[Colour, ...] = ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "colour = 'whit'",
            'w:1: colour: "whit" is none of those known here; did you mean "white"?',
        ),
        (
            "colours = ['red', 'blue']",
            'w:1: colours[1]: "blue" is none of those known here; known: dark-green, red',
        ),
    ],
)
def test_a_misspelt_word_of_a_few_lists_them(text: str, expected: str) -> None:
    with pytest.raises(UsageError) as caught:
        decode(parse_toml(text, Path("w")), Wall, source="w", text=text)
    assert caught.value.message == expected


def test_a_fingerprint_depends_on_content_not_on_order() -> None:
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})
    assert fingerprint("a", "b") != fingerprint("ab")
