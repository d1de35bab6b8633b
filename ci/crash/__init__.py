"""Crashes that explain themselves: what died, where, whether it is known, and since which build.

``explain(evidence, build, deadline)`` reads all that was gathered from a host.
"""

from __future__ import annotations

from ci.crash.explain import CrashReport, explain

__all__ = ["CrashReport", "explain"]
