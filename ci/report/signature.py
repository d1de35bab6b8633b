"""One name for one defect: what is left of a failure's message without what changes by chance."""

from __future__ import annotations

import hashlib
import re

from ci.model import CaseResult
from ci.report.xml_text import printable

LONGEST = 300
GIVEN = "signature"  # a property by which a suite names the signature itself
_REPLACED = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.I), "UUID"),
    (re.compile(r"\b0x[0-9a-f]+\b", re.I), "ADDRESS"),
    (re.compile(r"\b[0-9a-f]{12,64}\b", re.I), "DIGEST"),
    (re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}", re.I), "MAC"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"), "TIME"),
    (re.compile(r"(?<![\w./])/(?:tmp|var/tmp|run|var/lib|home|root)/[^\s'\":;,)]+"), "PATH"),
)
_KEPT = r"(?:code|status|errno|signal|error)[ =:]+-?\d+"  # these numbers are the message
_NUMBER = re.compile(rf"({_KEPT})|\d+(?:\.\d+)?", re.I)


def signature_text(message: str) -> str:
    """The first line of a message with addresses, ids, times and most numbers taken out."""
    text = printable(message.strip().splitlines()[0] if message.strip() else "no reason")
    for pattern, word in _REPLACED:
        text = pattern.sub(word, text)
    return " ".join(_NUMBER.sub(lambda found: found[1] or "N", text).split())[:LONGEST]


def signature_of(case: CaseResult) -> tuple[str, str]:
    """A short id and the text it stands for; the suite's own signature where it gave one."""
    text = case.properties.get(GIVEN) or signature_text(case.message)
    return signature_id(text), text


def signature_id(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:8]
