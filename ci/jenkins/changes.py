"""A patch as the value of a job's parameter, and back."""

from __future__ import annotations

import base64
import binascii
import zlib

from ci.errors import UsageError

# An environment variable of a process is at most 128 KiB; the parameter becomes one.
MOST_CHARACTERS = 100_000
MOST_BYTES = 32 * 2**20


def packed(patch: bytes) -> str:
    """The parameter's value; empty for an empty patch. Raises UsageError when it is too large."""
    if not patch:
        return ""
    text = base64.b64encode(zlib.compress(patch, 9)).decode()
    if len(text) > MOST_CHARACTERS:
        raise UsageError(
            f"the changes are too large for a parameter ({len(text)} characters packed, "
            f"at most {MOST_CHARACTERS})",
            hint="push them to a branch for the time of the run: --push REMOTE",
        )
    return text


def unpacked(value: str) -> bytes:
    """The patch. Raises UsageError for what is no such value, or grows beyond all measure."""
    try:
        engine = zlib.decompressobj()
        data = engine.decompress(base64.b64decode(value, validate=True), MOST_BYTES)
    except (binascii.Error, zlib.error, ValueError) as error:
        raise UsageError(f"the parameter CHANGES is damaged: {error}") from None
    if engine.unconsumed_tail or not engine.eof:
        raise UsageError("the parameter CHANGES is cut, or too large unpacked")
    return data
