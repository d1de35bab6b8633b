"""What the user wants to be shown: a rate, a difference, a time; read from a few words."""

from __future__ import annotations

import re

from ci.errors import UsageError
from ci.model import Record
from ci.stats.sprt import Sprt

CONFIDENCE = 0.95
_RATE = re.compile(
    r"\s*rate\s*<\s*(?P<rate>[\d.]+\s*%?)"
    r"(?:\s*@\s*(?P<confidence>[\d.]+\s*%?))?"
    r"(?:\s+good\s*=\s*(?P<good>[\d.]+\s*%?))?"
    r"(?:\s+power\s*=\s*(?P<power>[\d.]+\s*%?))?\s*"
)
_TIME = re.compile(r"(?:(\d+(?:\.\d+)?)([dhms]))")
UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}


class Before(Record, frozen=True, kw_only=True):
    """What was seen before the fix."""

    failed: int
    loops: int


def parse_rate_goal(text: str) -> Sprt:
    """``rate<0.5% @95% [good=0.05%] [power=90%]``. Raises UsageError."""
    found = _RATE.fullmatch(text)
    if not found:
        raise UsageError(f'"{text}" is no goal', hint='write it like "rate<0.5% @95%"')
    confidence = _share(found["confidence"]) if found["confidence"] else CONFIDENCE
    power = _share(found["power"]) if found["power"] else CONFIDENCE
    goal = Sprt(
        bad=_share(found["rate"]),
        good=_share(found["good"]) if found["good"] else 0.0,
        alpha=1.0 - confidence,
        beta=1.0 - power,
    )
    if not 0.0 <= goal.good < goal.bad < 1.0 or not 0.0 < goal.alpha < 1.0 or goal.beta <= 0.0:
        raise UsageError(
            f'"{text}" cannot be shown by any number of loops',
            hint="the rate has to be between 0 and 100 %, and good= below it",
        )
    return goal


def parse_before(text: str) -> Before:
    """``3/100``: failures and loops of before. Raises UsageError."""
    found = re.fullmatch(r"\s*(\d+)\s*/\s*(\d+)\s*", text)
    if not found or int(found[1]) > int(found[2]) or int(found[2]) == 0:
        raise UsageError(f'"{text}" is no count of before', hint="write failures/loops, like 3/100")
    return Before(failed=int(found[1]), loops=int(found[2]))


def parse_seconds(text: str) -> float:
    """``90``, ``45s``, ``20m``, ``8h``, ``1d12h`` in seconds. Raises UsageError."""
    words = text.strip().lower()
    if re.fullmatch(r"\d+(\.\d+)?", words):
        return float(words)
    parts = _TIME.findall(words)
    if not parts or "".join(number + unit for number, unit in parts) != words:
        raise UsageError(f'"{text}" is no time', hint="write it like 45s, 20m, 8h or 1h30m")
    return sum(float(number) * UNITS[unit] for number, unit in parts)


def _share(text: str) -> float:
    """``0.5%`` or ``0.005``."""
    number = text.replace("%", "").strip()
    try:
        value = float(number)
    except ValueError:
        raise UsageError(f'"{text}" is no number') from None
    return value / 100 if "%" in text else value
