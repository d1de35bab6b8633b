"""Jenkins' cron dialect, checked here: the controller's validator lets bad ones through.

Five fields; ``H`` is a minute, hour, day chosen by the job's name, ``H(1-4)`` within a range,
``H/15`` every so often. Several lines are several schedules; ``TZ=...`` sets the zone; the names
``@daily`` and so on exist; names of months and days do not.
"""

from __future__ import annotations

import re

FIELDS = (
    ("minute", 0, 59),
    ("hour", 0, 23),
    ("day of month", 1, 31),
    ("month", 1, 12),
    ("day of week", 0, 7),
)
ALIASES = frozenset(
    f"@{name}"
    for name in ("yearly", "annually", "monthly", "weekly", "daily", "midnight", "hourly")
)
_TERM = re.compile(
    r"^(?:(?P<any>\*)|(?P<hash>H)(?:\((?P<hlow>\d+)-(?P<hhigh>\d+)\))?"
    r"|(?P<low>\d+)(?:-(?P<high>\d+))?)(?:/(?P<step>\d+))?$"
)


def problem(spec: str) -> str:
    """What is wrong with a schedule, as a sentence; empty when nothing is."""
    for line in spec.splitlines():
        text = line.strip()
        if not text or text.startswith(("#", "TZ=")) or text in ALIASES:
            continue
        if found := _line_problem(text):
            return found
    return ""


def _line_problem(text: str) -> str:
    fields = text.split()
    if text.startswith("@"):
        return f'"{text}" is no schedule; known: {", ".join(sorted(ALIASES))}'
    if len(fields) != len(FIELDS):
        return f'"{text}" has {len(fields)} fields, not 5 (minute hour day month weekday)'
    for value, (name, low, high) in zip(fields, FIELDS, strict=True):
        for term in value.split(","):
            if found := _term_problem(term, low, high):
                return f'"{text}": {name} {found}'
    return ""


def _term_problem(term: str, low: int, high: int) -> str:
    match = _TERM.match(term)
    if match is None:
        return f'"{term}" is not understood (a number, *, H, a range, a list, each with /step)'
    numbers = [int(text) for name in ("low", "high", "hlow", "hhigh") if (text := match[name])]
    for number in numbers:
        if not low <= number <= high:
            return f"{number} is not within {low} and {high}"
    if len(numbers) == 2 and numbers[0] > numbers[1]:
        return f"{numbers[0]}-{numbers[1]} runs backwards"
    if match["step"] is not None and not 0 < int(match["step"]) <= high:
        return f"the step {match['step']} is not within 1 and {high}"
    return ""
