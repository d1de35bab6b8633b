"""Proof that a body comes from who knows the secret; every comparison takes constant time."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

FRESH_SECONDS = 300.0
TIME, SIGNATURE = "x-virtci-time", "x-virtci-signature"


def proven(
    kind: str, secret: bytes, headers: Mapping[str, str], body: bytes, *, now: float
) -> bool:
    """Whether the call is genuine. ``headers`` have names in small letters.

    github: an HMAC of the body; gitlab: the secret itself; obs: ``Authorization: Token SECRET``;
    virtci: an HMAC of time and body, not older than five minutes.
    """
    match kind:
        case "github":
            wanted = "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()
            return _same(headers.get("x-hub-signature-256", ""), wanted)
        case "gitlab":
            return _same(headers.get("x-gitlab-token", ""), secret.decode())
        case "obs":
            return _same(headers.get("authorization", ""), f"Token {secret.decode()}")
        case "virtci":
            at = headers.get(TIME, "")
            genuine = _same(headers.get(SIGNATURE, ""), sign(secret, at, body))
            return genuine and _fresh(at, now)
        case _:
            return False


def sign(secret: bytes, at: str, body: bytes) -> str:
    """What belongs into the signature's header for kind virtci; ``at`` goes into the time's."""
    return hmac.new(secret, at.encode() + b"\n" + body, hashlib.sha256).hexdigest()


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode())


def _fresh(at: str, now: float) -> bool:
    try:
        return abs(now - float(at)) <= FRESH_SECONDS
    except ValueError:
        return False
