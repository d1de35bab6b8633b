"""Which packages of a run's hosts, not ours alone, are others than in an earlier run."""

from __future__ import annotations

from pathlib import Path

import msgspec

from ci.codec import from_json
from ci.facts import PackageChange, package_diff
from ci.model import Record
from ci.report.results import RunResults

SHOWN = 8


class PackagesSince(Record, frozen=True, kw_only=True):
    """One host: what came, went and changed since; ``total`` are the packages there now."""

    host: str
    lines: tuple[str, ...]
    total: int

    def sentence(self, before: str) -> str:
        """For one line; the first few are named."""
        if not self.lines:
            return f"{self.host}: all {self.total} packages are those of {before}"
        more = f" and {len(self.lines) - SHOWN} more" if len(self.lines) > SHOWN else ""
        named = ", ".join(self.lines[:SHOWN])
        return f"{self.host}: {len(self.lines)} others than in {before}: {named}{more}"


def packages_since(before: RunResults, now: RunResults) -> tuple[PackagesSince, ...]:
    """Hosts that were deployed to in both runs; by the name that the plan gives them."""
    then, today = _sets(before), _sets(now)
    return tuple(
        PackagesSince(
            host=host,
            lines=package_diff(then[host], packages).lines(),
            total=len(packages),
        )
        for host, packages in today.items()
        if host in then
    )


def has_packages(results: RunResults) -> bool:
    """Whether any package set was recorded."""
    return bool(_files(results))


def _files(results: RunResults) -> list[Path]:
    if not results.folder:
        return []
    return sorted(Path(results.folder, "deploy").glob("*/packages.json"))


def _sets(results: RunResults) -> dict[str, tuple[str, ...]]:
    """The packages after the deployment, by host."""
    found = {}
    for path in _files(results):
        try:
            found[path.parent.name] = from_json(path.read_bytes(), PackageChange).after
        except (OSError, msgspec.MsgspecError):
            continue  # cut while it was written, or by another version
    return found
