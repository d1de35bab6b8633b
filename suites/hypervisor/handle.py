"""What stands for libvirt's own objects: it has all their methods, and each call is watched."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from suites.hypervisor.method import Method, method_of


class Caller(Protocol):
    """What is used of a session. ``callbacks`` are those that libvirt was given."""

    callbacks: dict[Callable[..., Any], Callable[..., Any]]

    def call(
        self, method: Method, function: Callable[..., Any], values: tuple[Any, ...]
    ) -> Any: ...


class Handle:
    """A libvirt object whose calls are watched. ``raw`` is the object itself."""

    __slots__ = ("raw", "session")

    def __init__(self, raw: Any, session: Caller) -> None:
        self.raw = raw
        self.session = session

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = method_of(type(self.raw), name)
        function = getattr(self.raw, name)

        def call(*values: Any) -> Any:
            __tracebackhide__ = True
            return self.session.call(method, function, values)

        return call


def unwrap(value: Any, session: Caller) -> Any:
    """What libvirt takes: its own objects, and functions that are given handles."""
    match value:
        case Handle():
            return value.raw
        case list():
            return [unwrap(item, session) for item in value]
        case _ if callable(value):
            return _callback(value, session)
        case _:
            return value


def _callback(function: Callable[..., Any], session: Caller) -> Callable[..., Any]:
    """The same for the same function: it is named again when it is taken back."""
    if function not in session.callbacks:
        session.callbacks[function] = _new_callback(function, session)
    return session.callbacks[function]


def _new_callback(function: Callable[..., Any], session: Caller) -> Callable[..., Any]:
    def called(*values: Any) -> Any:
        return unwrap(function(*(wrap(value, session) for value in values)), session)

    return called


def wrap(value: Any, session: Caller) -> Any:
    """What cases work with: a handle for each of libvirt's objects."""
    match value:
        case list():
            return [wrap(item, session) for item in value]
        case tuple():
            return tuple(wrap(item, session) for item in value)
        case _ if type(value).__module__ == "libvirt":
            return Handle(value, session)
        case _:
            return value
