"""The exact commands that do a run, or one failing part of it, again."""

from __future__ import annotations

import json
import math
import shlex
import tomllib
from pathlib import Path
from typing import Any

from ci.report.failures import Failures
from ci.report.results import RunHeader, RunResults
from ci.report.tallies import PIPELINE

LEAST_LOOPS = 20
LIKELY = 3  # e^-3 is 5 %


def whole(header: RunHeader) -> str:
    """The command of the whole run."""
    return _command(header, ())


def part(results: RunResults, group: Failures) -> str:
    """The command that comes to this failure soonest; a loop runs until it is likely (95 %)."""
    header = results.header
    if PIPELINE in group.places:
        stage = group.first.partition("/")[0]
        until = ("--until", stage) if stage in ("source", "build", "hosts", "deploy") else ()
        return _command(header, (), *until)
    name = group.places[0].partition(" on ")[0]
    index, suite = _suite(header, name)
    match suite.get("kind"):
        case "tck" if "/" in group.first:
            areas = sorted({name.partition("/")[0] for name in group.names})
            return _command(header, (f"suites.{index}.areas={json.dumps(areas)}",))
        case "stress":
            loops = max(LEAST_LOOPS, math.ceil(LIKELY * _tried(results, group) / group.count))
            return _command(header, (f"suites.{index}.loops={loops}",))
        case _:
            return whole(header)


def _tried(results: RunResults, group: Failures) -> int:
    """How many iterations there were where it failed."""
    places = {f"{suite.suite} on {suite.host}": suite for suite in results.suites}
    return sum(places[place].loops.total() for place in group.places if place in places)


def _suite(header: RunHeader, name: str) -> tuple[int, dict[str, Any]]:
    try:
        suites = tomllib.loads(header.plan_text).get("suites", [])
    except tomllib.TOMLDecodeError:
        return 0, {}
    for index, suite in enumerate(suites):
        if suite.get("name", suite.get("kind")) == name:
            return index, suite
    return 0, {}


def _command(header: RunHeader, changes: tuple[str, ...], *options: str) -> str:
    if Path(header.plan).suffix != ".toml":
        return ""  # a suite was called alone; there is no plan to name
    words = ["virtci", "run", header.plan]
    for change in (*header.changes, *changes):
        words += ["--set", change]
    return shlex.join([*words, *options])
