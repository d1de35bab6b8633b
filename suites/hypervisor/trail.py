"""The calls of a case in their order, each as a line of Python that makes it again.

Kept in memory, and written only of a case that a daemon did not survive: from it comes a script
that needs nothing but libvirt-python.
"""

from __future__ import annotations

import contextlib
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from ci.model import Record

MOST_LINES = 400  # of a longer case the end is kept
LONGEST = 20_000  # characters of one argument
CONNECTION = "connection"
# how an object that was there before the case is found again
FOUND_BY_NAME = {
    "virDomain": "lookupByName",
    "virNetwork": "networkLookupByName",
    "virStoragePool": "storagePoolLookupByName",
    "virInterface": "interfaceLookupByName",
    "virNWFilter": "nwfilterLookupByName",
    "virNodeDevice": "nodeDeviceLookupByName",
}


class Made(Record, frozen=True, kw_only=True):
    """One call: ``line`` is Python, empty when it cannot be made again; ``outcome`` as in Tally."""

    line: str
    function: str
    outcome: int


class Trail:
    """Names objects as they come, and writes a line for each call."""

    def __init__(self) -> None:
        self._made: deque[Made] = deque(maxlen=MOST_LINES)
        self._before: tuple[Made, ...] = ()
        self._ended = False
        # objects are not held on to: how long one lives is part of what is tested
        self._names: dict[int, tuple[weakref.ref[Any], str]] = {}

    def end(self) -> None:
        """The daemon is gone: what follows is tidying up, and no part of the case."""
        self._ended = True

    def clear(self) -> None:
        self._ended = False
        self._before = self.made()
        self._made.clear()
        self._names.clear()

    def made(self) -> tuple[Made, ...]:
        return tuple(self._made)

    def before(self) -> tuple[Made, ...]:
        """The calls of the case before this one."""
        return self._before

    def add(
        self,
        function: str,
        method: Callable[..., Any],
        values: Sequence[Any],
        result: Any,
        outcome: int,
    ) -> None:
        """Note a call of ``method``, bound to its object, and name what came back."""
        if self._ended:
            return
        owner = getattr(method, "__self__", None)
        target = self._named(owner) if owner is not None else "libvirt"
        arguments = [self._literal(value) for value in values]
        name = getattr(method, "__name__", "")
        known = bool(target and name) and None not in arguments
        line = f"{target}.{name}({', '.join(map(str, arguments))})" if known else ""
        given = self._give(result)
        line = f"{given} = {line}" if line and given else line
        self._made.append(Made(line=line, function=function, outcome=outcome))

    def _give(self, result: Any) -> str:
        """A name for the object that a call gave; empty for anything else."""
        if isinstance(result, list) and result and _is_object(result[0]):
            name = self._free("found")
            # elsewhere the same place of the list is another one's domain: those are looked up
            if type(result[0]).__name__ not in FOUND_BY_NAME:
                for number, item in enumerate(result):
                    self._name(item, f"{name}[{number}]")
            return name
        return self._name(result, self._free(_word(result))) if _is_object(result) else ""

    def _named(self, one: Any) -> str:
        """The name of an object; one from before the case is looked for first."""
        same, known = self._names.get(id(one), (None, ""))
        if same is not None and same() is one:
            return known
        kind = type(one).__name__
        if kind == "virConnect":
            return self._name(one, CONNECTION)
        if kind not in FOUND_BY_NAME:
            return ""
        # whatever it is, looking must not change the case; libvirt is not imported for its error
        with contextlib.suppress(Exception):
            called = one.name()
            name = self._name(one, self._free(_word(one)))
            line = f"{name} = {CONNECTION}.{FOUND_BY_NAME[kind]}({called!r})"
            self._made.append(Made(line=line, function="", outcome=0))
            return name
        return ""

    def _name(self, one: Any, name: str) -> str:
        self._names[id(one)] = weakref.ref(one), name
        return name

    def _free(self, word: str) -> str:
        taken = {name.partition("[")[0] for _, name in self._names.values()}
        return next(
            name for number in range(len(taken) + 2)
            if (name := word if number == 0 else f"{word}_{number + 1}") not in taken
        )  # fmt: skip

    def _literal(self, value: Any) -> str | None:
        """An argument as Python writes it; None when it cannot be written."""
        match value:
            case _ if _is_object(value):
                return self._named(value) or None
            case list() | tuple():
                items = [self._literal(item) for item in value]
                return None if None in items else f"[{', '.join(map(str, items))}]"
            case None | bool() | int() | float() | str() | bytes() | dict():
                text = repr(value)
                return text if len(text) <= LONGEST else None
            case _ if callable(value):
                return "lambda *_: None"
            case _:
                return None


def _is_object(value: Any) -> bool:
    return type(value).__module__ == "libvirt" and type(value).__name__.startswith("vir")


def _word(one: Any) -> str:
    """``domain`` for a virDomain, ``storage_pool`` for a virStoragePool."""
    name = type(one).__name__.removeprefix("vir")
    name = {"Connect": CONNECTION, "NWFilter": "filter"}.get(name, name)
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")
