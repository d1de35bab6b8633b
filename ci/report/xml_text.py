"""Text of unknown origin made fit for XML 1.0: nothing is dropped silently, nothing is unbounded.

Source of the character ranges: Extensible Markup Language (XML) 1.0, fifth edition, section 2.2.
"""

from __future__ import annotations

import re

_ILLEGAL = re.compile(
    "[^\t\n\r\u0020-\u007e\u0085\u00a0-\ud7ff\ue000-\ufdcf\ufdf0-\ufffd\U00010000-\U0010ffff]"
    "|[\u202a-\u202e\u2066-\u2069]"  # legal, but they let text be read in another order than it has
)
_NONCHARACTERS = re.compile(
    "["
    + "".join(chr(plane << 16 | 0xFFFE) + chr(plane << 16 | 0xFFFF) for plane in range(1, 17))
    + "]"
)


def printable(text: str) -> str:
    """Characters that XML refuses or discourages become visible escapes such as ``\\x1b``; so do
    those that turn the direction of reading, and make a text look like another one."""
    if text.isascii() and text.isprintable():
        return text  # nearly always
    return _NONCHARACTERS.sub(_escape, _ILLEGAL.sub(_escape, text))


def bounded(text: str, limit: int) -> str:
    """At most ``limit`` characters: the head, what was cut, the tail (the tail tells more)."""
    if len(text) <= limit:
        return text
    head, tail = limit // 4, limit - limit // 4
    return f"{text[:head]}\n[... {len(text) - limit} characters cut ...]\n{text[-tail:]}"


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
