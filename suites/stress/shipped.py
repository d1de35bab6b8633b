"""The names of scenarios, known without loading one: what a plan is checked by."""

from __future__ import annotations

from pathlib import Path

WALK = "walk"
SHIPPED = Path(__file__).parent / "scenarios"
OWN = (".toml", ".py")


def shipped() -> tuple[str, ...]:
    """The names of the scenarios that come with virtci."""
    return tuple(sorted((WALK, *(path.stem for path in SHIPPED.glob("*.toml")))))


def own_file(name: str) -> str:
    """The file of ``x.toml`` or ``x.py:function``; empty for the name of a shipped scenario."""
    file = name.partition(":")[0]
    return file if file.endswith(OWN) else ""
