"""What a decoder says of types, in the words of people who write TOML."""

from __future__ import annotations

import re

WORDS = {
    "object": "a table", "dict": "a table", "array": "a list", "list": "a list", "str": "a string",
    "int": "a whole number", "float": "a number", "bool": "true or false", "datetime": "a date",
    "date": "a date", "time": "a time",
}  # fmt: skip
_TYPES = re.compile(r"`([a-z]+(?: \| [a-z]+)*)`")


def in_words(message: str) -> str:
    """``Expected `object | null`, got `int` `` becomes ``expected a table, not a whole number``.

    TOML has no null: whoever leaves a key out means that.
    """
    if not message.startswith("Expected `"):
        return message
    wanted, got, given = message.partition(", got ")
    said = _TYPES.sub(lambda found: _either(found[1].split(" | ")), wanted)
    found = "a fraction" if given == "`float`" else _TYPES.sub(lambda one: _either([one[1]]), given)
    return said.replace("Expected", "expected", 1) + (f", not {found}" if got else "")


def _either(types: list[str]) -> str:
    return " or ".join(dict.fromkeys(WORDS.get(one, one) for one in types if one != "null"))
