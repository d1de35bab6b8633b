"""Builders: how a tree becomes packages. A new kind is one file and one name in this union.

Each has ``make(step, tree) -> Build``, ``located(base)`` (paths of the plan made absolute),
``decided()`` (what it would do, for people) and ``needs_tree``.
"""

from __future__ import annotations

from typing import TypeAlias

from ci.build.prebuilt import PrebuiltBuilder
from ci.build.rpmbuild import RpmbuildBuilder

Builder: TypeAlias = RpmbuildBuilder | PrebuiltBuilder
