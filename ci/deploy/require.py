"""What a job requires of a host: ``xen & memory>=8GiB & !(flaky | old)``. Pure.

A bare name is a label, or a fact that is there; facts are compared as sizes (``8GiB``), as versions
(``4.17``, of which plain numbers are a case), or as words with ``=`` and ``!=``.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any

from ci.errors import UsageError
from ci.model import Record

_TOKEN = re.compile(r"\s*(?:(>=|<=|!=|==|=|>|<)|([&|!()])|([A-Za-z0-9][\w.+:-]*))")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
}
_UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_SIZE = re.compile(r"(\d+)(B|KiB|MiB|GiB|TiB)")
MOST_NESTED = 50


class Traits(Record, frozen=True, kw_only=True):
    """What a host is: labels that people gave it, and facts that were measured."""

    labels: frozenset[str] = frozenset()
    facts: dict[str, str] = {}


Test = Callable[[Traits], bool]


def matches(requirement: str, traits: Traits) -> bool:
    """Whether a host will do; every host does for an empty requirement. Raises UsageError."""
    return not requirement.strip() or compiled(requirement)(traits)


def compiled(requirement: str) -> Test:
    """Raises UsageError that shows where the expression goes wrong."""
    reader = _Reader(requirement)
    test = _either(reader, 0)
    if reader.kind != "end":
        raise reader.error("this is one too many")
    return test


class _Reader:
    """Hands out one token after another."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.next()

    def next(self) -> str:
        """Go on to the next token; return the one before it."""
        former = getattr(self, "token", "")
        self.start = self.at
        rest = self.text[self.at :]
        if not rest.strip():
            self.kind, self.token = "end", ""
            return former
        found = _TOKEN.match(rest)
        if found is None:
            raise self.error("this cannot be read")
        self.kind = ("compare", "sign", "word")[(found.lastindex or 1) - 1]
        self.token = found[0].strip()
        self.at += found.end()
        return former

    def takes(self, *tokens: str) -> bool:
        """Whether the next token is one of these; then it is passed."""
        if self.token in tokens and self.kind != "end":
            self.next()
            return True
        return False

    def error(self, what: str) -> UsageError:
        shown = self.text[self.start :].strip()[:40] or "its end"
        return UsageError(
            f'require = "{self.text[:200]}": {what}: {shown}',
            hint='such as: require = "xen & memory>=8GiB & !flaky"',
        )


def _either(reader: _Reader, depth: int) -> Test:
    tests = [_both(reader, depth)]
    while reader.takes("|", "||"):
        tests.append(_both(reader, depth))
    return tests[0] if len(tests) == 1 else lambda traits: any(test(traits) for test in tests)


def _both(reader: _Reader, depth: int) -> Test:
    tests = [_one(reader, depth)]
    while reader.takes("&", "&&"):
        tests.append(_one(reader, depth))
    return tests[0] if len(tests) == 1 else lambda traits: all(test(traits) for test in tests)


def _one(reader: _Reader, depth: int) -> Test:
    if depth > MOST_NESTED:
        raise reader.error("it is nested too deeply")
    if reader.takes("!"):
        inner = _one(reader, depth + 1)
        return lambda traits: not inner(traits)
    if reader.takes("("):
        inner = _either(reader, depth + 1)
        if not reader.takes(")"):
            raise reader.error('a ")" is missing before')
        return inner
    if reader.kind != "word":
        raise reader.error("a name is missing before")
    name = reader.next()
    if reader.kind != "compare":
        return lambda traits: name in traits.labels or bool(traits.facts.get(name))
    sign = reader.next()
    if reader.kind != "word":
        raise reader.error("a value is missing before")
    return _comparison(name, sign, reader.next())


def _comparison(name: str, sign: str, wanted: str) -> Test:
    compare = _COMPARE[sign]

    def test(traits: Traits) -> bool:
        """A fact that is not known is less than nothing, so that its host is left out."""
        known = traits.facts.get(name, "")
        if not known:
            return False
        if sign in ("=", "==", "!=") and not (_number(known) and _number(wanted)):
            return compare(known, wanted)
        return compare(_number(known), _number(wanted))

    return test


def _number(text: str) -> tuple[int, ...]:
    """A size in bytes or the numbers of a version; empty for a word."""
    if size := _SIZE.fullmatch(text):
        return (int(size[1]) * _UNITS[size[2]],)
    if not re.match(r"\d", text):
        return ()
    numbers = [int(part) for part in re.findall(r"\d+", text)]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
