"""Pure: why a build did not come out, in words; the known shapes are data (``shapes.toml``)."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Literal

from ci.codec import decode, parse_toml
from ci.errors import InfraError, ProductError, VirtciError
from ci.model import Record
from ci.obs.buildlog import Line, failed_phase, parse_log, telling
from ci.obs.results import PackageState

Blame = Literal["product", "setup", "lab", "nobody", "unknown"]
Retry = Literal["yes", "no", "later"]


class Shape(Record, frozen=True, kw_only=True):
    """One known way to fail; ``shapes.toml`` says what the keys mean."""

    id: str
    on: tuple[str, ...]
    where: Literal["details", "log"]
    pattern: str
    what: str
    cause: str
    do: tuple[str, ...]
    retry: Retry
    blame: Blame
    phases: tuple[str, ...] = ()


class _Shapes(Record, frozen=True, kw_only=True):
    shape: tuple[Shape, ...]


class Explanation(Record, frozen=True, kw_only=True):
    """Why one package is as it is. ``line`` is a line of the build log (0: none)."""

    shape: str
    state: PackageState
    what: str
    cause: str
    do: tuple[str, ...]
    retry: Retry
    blame: Blame
    phase: str = ""
    line: int = 0
    evidence: tuple[str, ...] = ()


@functools.cache
def shapes() -> tuple[Shape, ...]:
    """All known shapes, the special ones first."""
    path = Path(__file__).with_name("shapes.toml")
    text = path.read_text(encoding="utf-8")
    return decode(parse_toml(text, path), _Shapes, source=str(path), text=text).shape


def explain(state: PackageState, log: str = "", *, osc: str = "osc") -> Explanation:
    """The best known explanation of ``state``; ``log`` is the build log, needed when it failed.

    ``osc`` is how osc is called in the advice. What no shape fits is said to be unknown, with
    the telling lines of the log.
    """
    if state.code == "failed":
        return _explain_log(state, parse_log(log), osc)
    for shape in (s for s in shapes() if state.code in s.on and s.where == "details"):
        if match := re.search(shape.pattern, state.details):
            return _filled(shape, state, match, osc)
    return _plain(state, osc)


def _explain_log(state: PackageState, lines: tuple[Line, ...], osc: str) -> Explanation:
    """The first shape that fits a line; the failed phase counts before the rest of the log."""
    phase = failed_phase(lines)
    for within in (tuple(n for n in lines if n.phase == phase), lines):
        for shape in (s for s in shapes() if s.where == "log"):
            found = _first(shape, within) if not shape.phases or phase in shape.phases else None
            if found is not None:
                line, match = found
                return _filled(shape, state, match, osc, line=line, lines=lines)
    return _unknown_failure(state, lines, osc)


def _first(shape: Shape, lines: tuple[Line, ...]) -> tuple[Line, re.Match[str]] | None:
    pattern = re.compile(shape.pattern)
    for line in lines:
        # ``set -x`` echoes commands; what they might print has not been printed
        if not line.text.startswith("+ ") and (match := pattern.search(line.text)):
            return line, match
    return None


def _filled(
    shape: Shape,
    state: PackageState,
    match: re.Match[str],
    osc: str,
    *,
    line: Line | None = None,
    lines: tuple[Line, ...] = (),
) -> Explanation:
    words = _words(state, osc, phase=failed_phase(lines) if lines else "")
    words.update({name: (value or "").strip() for name, value in match.groupdict().items()})
    words["what_name"] = re.split(r"\s*[<>=]", words.get("what", ""))[0].strip()
    words["down_text"] = " or down" if "down" in state.details else ""
    return Explanation(
        shape=shape.id,
        state=state,
        what=shape.what.format_map(words).strip().rstrip(":"),
        cause=shape.cause.format_map(words),
        do=tuple(advice.format_map(words) for advice in shape.do),
        retry=shape.retry,
        blame=shape.blame,
        phase=words["phase"],
        line=line.number if line else 0,
        evidence=_evidence(line, lines) if lines else _parts(state.details),
    )


def _words(state: PackageState, osc: str, *, phase: str) -> dict[str, str]:
    return {
        "project": state.project,
        "package": state.package,
        "repository": state.repository,
        "arch": state.arch,
        "osc": osc,
        "phase": phase,
    }


def _evidence(line: Line | None, lines: tuple[Line, ...]) -> tuple[str, ...]:
    """The matching line with those after it that belong to it, then what else tells."""
    chosen = {n.number: n for n in telling(lines)}
    if line is not None:
        for near in lines[line.number - 1 : line.number + 3]:
            if near.text.strip():
                chosen[near.number] = near
    return tuple(f"{n.number}: {n.text}" for n in sorted(chosen.values(), key=lambda n: n.number))


def _parts(details: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in details.split(", ") if part.strip())[:8]


def _unknown_failure(state: PackageState, lines: tuple[Line, ...], osc: str) -> Explanation:
    phase = failed_phase(lines)
    where = f"{osc} remotebuildlog {state.project} {state.package} {state.repository} {state.arch}"
    said = telling(lines)
    return Explanation(
        shape="unknown",
        state=state,
        what=f"the build failed in {phase}" if lines else "the build failed and left no log",
        cause="No known cause fits; the telling lines of the log are below.",
        do=(where,),
        retry="later",
        blame="product" if phase.startswith("%") else "unknown",
        phase=phase,
        line=said[0].number if said else 0,
        evidence=tuple(f"{n.number}: {n.text}" for n in said),
    )


def _plain(state: PackageState, osc: str) -> Explanation:
    said = f"the build service calls it '{state.code}'"
    return Explanation(
        shape="unknown",
        state=state,
        what=f"{said}: {state.details}" if state.details else said,
        cause="No known cause fits.",
        do=(f"{osc} results {state.project} {state.package}",),
        retry="later",
        blame="unknown",
        evidence=_parts(state.details),
    )


def as_error(explanation: Explanation, text: str) -> VirtciError:
    """The error to raise for a build that did not come out, by who is to blame."""
    state = explanation.state
    message = (
        f"{state.project}/{state.package} is {state.code} in {state.where}: {explanation.what}"
    )
    hint = "; ".join(explanation.do)
    match explanation.blame:
        case "lab" | "setup":  # who keeps the project and its repositories is no part of the code
            return InfraError(message, hint=hint, detail=text)
        case "product" | "nobody" | "unknown":
            return ProductError(message, hint=hint, detail=text)
