"""Shared by all tests: nothing of the user's own folders is ever touched; the lightest come last.

Two workers take file by file (``--dist loadfile --no-loadscope-reorder``): with what boots hosts at
the end, one of them would wait for the other.
"""

from __future__ import annotations

from pathlib import Path

import pytest

# what needs the nested host comes late: it lives on, idle, to the end of the session
HEAVIEST, ON_XEN, LIGHT = range(3)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files by the weight of their tests; within equal weight nothing moves."""
    files: dict[Path, list[int]] = {}
    for item in items:
        files.setdefault(item.path, []).append(weight(item))
    weights = {path: ON_XEN if ON_XEN in found else min(found) for path, found in files.items()}
    items.sort(key=lambda item: weights[item.path])


def weight(item: pytest.Item) -> int:
    """How long it takes, by its marks."""
    if item.get_closest_marker("xen"):
        return ON_XEN
    heavy = any(item.get_closest_marker(mark) for mark in ("real", "faults"))
    return HEAVIEST if heavy else LIGHT
