"""Times as people say them on the command line."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from ci.errors import UsageError

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
UNITS = {"d": 1, "w": 7}


def days_ago(text: str, now: float | None = None) -> float:
    """``monday`` (the last one, UTC), ``today``, ``7d``, ``2w`` or ``2026-01-31``, as seconds.

    Raises UsageError when it is none of these.
    """
    word = text.strip().lower()
    moment = datetime.fromtimestamp(time.time() if now is None else now, tz=UTC)
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    if word == "today":
        return midnight.timestamp()
    if word in DAYS:
        return (midnight - timedelta(days=(midnight.weekday() - DAYS.index(word)) % 7)).timestamp()
    try:
        if word[:-1].isdecimal() and word[-1:] in UNITS:
            return (moment - timedelta(days=int(word[:-1]) * UNITS[word[-1]])).timestamp()
        return datetime.fromisoformat(word).replace(tzinfo=UTC).timestamp()
    except (ValueError, OverflowError):
        raise UsageError(
            f'"{text}" is no day', hint="write monday, today, 7d, 2w or 2026-01-31"
        ) from None
