"""Scenarios: what one iteration does. Data (TOML), or a Python function for what data cannot say.

description = "Suspend and resume a running guest."
steps = ["create", "alive", "suspend", { op = "pause", seconds = 0.5 }, "resume", "beat",
         "shutdown"]
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

from ci.codec import decode, parse_toml, read_text
from ci.errors import UsageError
from ci.model import Record
from suites.stress import walk
from suites.stress.operations import OPERATIONS
from suites.stress.play import Play
from suites.stress.shipped import SHIPPED, WALK, shipped
from suites.stress.step import Step


class ScenarioFile(Record, frozen=True, kw_only=True):
    """What a scenario's file says."""

    description: str
    steps: tuple[str | Step, ...]


class Scenario:
    """A name and what it plays."""

    def __init__(self, name: str, description: str, perform: Callable[[Play], None]) -> None:
        self.name = name
        self.description = description
        self.perform = perform


def load_scenario(name: str) -> Scenario:
    """A shipped one by its name, a file ``x.toml``, or a function as ``x.py:function``.

    Raises UsageError with file and line when it is not right.
    """
    if name == WALK:
        return Scenario(name, "Random legal and illegal calls against a model.", walk.perform)
    path, _, function = name.partition(":")
    if path.endswith(".py"):
        return _from_python(Path(path), function)
    file = Path(path) if path.endswith(".toml") else SHIPPED / f"{path}.toml"
    if not file.exists():
        raise UsageError(
            f'there is no scenario "{name}"', hint=f"known: {', '.join(shipped())}, or a file"
        )
    return _from_toml(file)


def _from_toml(file: Path) -> Scenario:
    text = read_text(file)
    read = decode(parse_toml(text, file), ScenarioFile, source=str(file), text=text)
    steps = tuple(Step(op=step) if isinstance(step, str) else step for step in read.steps)
    for step in steps:
        if step.op not in OPERATIONS:
            raise UsageError(
                f'{file}: steps: there is no operation "{step.op}"',
                hint=f"known: {', '.join(sorted(OPERATIONS))}",
            )

    def perform(play: Play) -> None:
        for step in steps:
            for _ in range(step.times):
                play.step(step)

    return Scenario(file.stem, read.description, perform)


def _from_python(file: Path, function: str) -> Scenario:
    spec = importlib.util.spec_from_file_location("scenario", file)
    if not file.exists() or spec is None or spec.loader is None:
        raise UsageError(f"{file}: there is no such scenario file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    perform = getattr(module, function, None)
    if not callable(perform):
        raise UsageError(f'{file}: there is no function "{function}" in it')
    return Scenario(function, (perform.__doc__ or "").strip(), perform)
