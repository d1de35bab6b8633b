"""The way out; the only importer of apprise."""

from __future__ import annotations

import logging
from typing import Protocol

import apprise

from ci.errors import InfraError, UsageError
from ci.notify.message import Message

SECONDS = 20.0


class Sender(Protocol):
    """Sends one message to one address. Raises InfraError when it surely did not go out."""

    def __call__(self, url: str, message: Message) -> None: ...


def send(url: str, message: Message) -> None:
    """Send through Apprise. Raises UsageError for an address that it does not know."""
    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # it would log addresses
    target = apprise.Apprise.instantiate(_bounded(url), suppress_exceptions=True)
    if target is None:
        scheme = url.partition(":")[0]
        raise UsageError(
            f'the address that begins with "{scheme[:12]}:" is not understood',
            hint="it is written as Apprise wants it, such as mailto://user:password@host?to=a@b",
        )
    if hasattr(target, "headers") and isinstance(target.headers, dict):
        target.headers["X-Virtci"] = message.header
    sent = target.notify(
        title=message.title, body=message.body, body_format=apprise.NotifyFormat.TEXT
    )
    if not sent:
        raise InfraError(f"{target.service_name} did not take the message")


def _bounded(url: str) -> str:
    """With time limits, so that a dead server does not hold a run."""
    mark = "&" if "?" in url else "?"
    limits = f"cto={SECONDS:g}&rto={SECONDS:g}"
    return url if "cto=" in url else f"{url}{mark}{limits}"
