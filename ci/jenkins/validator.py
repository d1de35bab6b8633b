"""The controller's own validator, understood: its status is always 200 and "ok"."""

from __future__ import annotations

import re

import msgspec

from ci.errors import InfraError
from ci.jenkins.groovy import Problem

_PLACE = re.compile(r"\s*@ line (\d+), column \d+\.?\s*$")


class _Error(msgspec.Struct, frozen=True):
    error: str | tuple[str, ...] = ""


class _Data(msgspec.Struct, frozen=True):
    result: str
    errors: tuple[_Error, ...] = ()


class _Answer(msgspec.Struct, frozen=True):
    data: _Data


def problems(answer: str) -> list[Problem]:
    """What it says; an ``error`` is a sentence or a list of them. Raises InfraError."""
    try:
        data = msgspec.json.decode(answer, type=_Answer).data
    except msgspec.MsgspecError as error:
        raise InfraError(f"the validator's answer is not understood: {error}") from None
    found: list[Problem] = []
    for one in data.errors:
        sentences = (one.error,) if isinstance(one.error, str) else one.error
        found += [_problem(sentence) for sentence in sentences]
    if data.result != "success" and not found:
        found.append(Problem(0, "the validator refuses it without saying why"))
    return found


def _problem(sentence: str) -> Problem:
    place = _PLACE.search(sentence)
    return Problem(int(place[1]) if place else 0, _PLACE.sub("", sentence))
