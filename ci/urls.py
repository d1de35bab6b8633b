"""Addresses that people write, taken apart."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

from ci.errors import UsageError

_USER = re.compile(r"//[^/@]*@")


def parts_of(url: str) -> SplitResult:
    """The parts of a URL. Raises UsageError, without the user in it, for brackets or a port that
    are none: Python tells of those only when it is asked for them."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise UsageError(f'"{_USER.sub("//", url)}" is no address: {error}') from None
    return parts
