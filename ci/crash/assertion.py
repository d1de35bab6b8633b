"""The assertion that failed, from the arguments of the functions that tell of it."""

from __future__ import annotations

import re

from ci.crash.names import kinds_of
from ci.crash.said import glib_text, plain
from ci.crash.trace import Assertion, Frame

_ARGUMENT = (
    r'(?:^|[(, ]){name}=(?:[\w@]+=)?(?:0x[0-9a-f]+)? ?(?:<[^>]*>)? ?"(?P<text>(?:\\.|[^"\\])*)"'
)
_TEXTS = ("assertion", "__assertion", "expr", "expression", "message")
_FUNCTIONS = ("function", "__function", "func", "pretty_function")
_DEEP = 12  # below that a frame is no part of the way from the assertion to the end


def asserted_in(frames: tuple[Frame, ...]) -> Assertion | None:
    """What was asserted, if the stack shows that an assertion failed."""
    telling = [frame for frame in frames[:_DEEP] if "assert" in kinds_of(frame.function)]
    if not telling:
        return None
    text = next((found for frame in telling if (found := _first(frame, _TEXTS))), "")
    function = next((found for frame in telling if (found := _first(frame, _FUNCTIONS))), "")
    return Assertion(text=glib_text(text) if text else "", function=plain(function))


def _first(frame: Frame, names: tuple[str, ...]) -> str:
    for name in names:
        pattern = _ARGUMENT.replace("{name}", re.escape(name))
        if found := re.search(pattern, frame.arguments):
            return found["text"]
    return ""
