"""What an ordinary user cannot do is said in the summary; where CI runs, it fails instead."""

from __future__ import annotations

import os

import pytest


def need_root(what: str) -> None:
    """Go on as root; skip, with the reason, as an ordinary user; fail in CI."""
    if os.geteuid() == 0:
        return
    sentence = f"NOT RUN as an ordinary user: {what} needs root; sudo make test runs it"
    if os.environ.get("CI"):
        pytest.fail(sentence)
    pytest.skip(sentence)
