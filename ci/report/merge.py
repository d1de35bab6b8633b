"""The runs of shards made into one run: one journal, the ledgers side by side.

Nothing good hides anything bad: a step that ended badly in one shard is kept beside the same step
of the others, a case that two shards have keeps the worse verdict, and a shard that left nothing is
an error of its own. The merged folder is a run like any other, so every report works on it.
"""

from __future__ import annotations

import re
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from ci.codec import from_json, to_json
from ci.errors import UsageError
from ci.journal import Event, Journal, read
from ci.model import SEVERITY, CaseResult
from ci.report.damage import damage_named
from ci.run import Failure

GROUP_SECONDS = 60.0  # what is merged can be merged again
_SHARE = re.compile(r"-(\d+)-of-(\d+)$")


@dataclass(frozen=True)
class Merged:
    """What was put together. ``missing`` are shards that left no journal."""

    shards: tuple[str, ...]
    missing: tuple[str, ...]
    cases: int


@dataclass
class _Steps:
    """The journal of the whole, as it grows."""

    header: Event | None = None
    done: dict[str, Event] = field(default_factory=dict)
    bad: list[Event] = field(default_factory=list)
    looks: list[Event] = field(default_factory=list)
    last: float = 0.0


def find_shards(places: Iterable[Path]) -> list[Path]:
    """Every run at or right below the places, in order of name. Raises UsageError for none."""
    found: dict[Path, None] = {}
    for place in places:
        folders = [place, *sorted(place.glob("*"), key=_natural)] if place.is_dir() else []
        found |= {one: None for one in folders if (one / "journal.jsonl").is_file()}
    if not found:
        raise UsageError("there is no run to merge", hint="name the folder that the shards lie in")
    return list(found)


def merge(shards: list[Path], into: Path) -> Merged:
    """Write the merged run to ``into``, which is made anew.

    Raises UsageError when the shards are of different plans, or ``into`` is one of them or
    anything else than a former merged run.
    """
    if into.absolute() in [shard.absolute() for shard in shards]:
        raise UsageError(f"{into} is one of the shards")
    _check_room(into)
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True)
    steps = _Steps()
    ledgers: dict[Path, list[Path]] = defaultdict(list)
    for shard in shards:
        _add_journal(steps, shard)
        for ledger in sorted(shard.glob("suites/*/*/ledger.jsonl")):
            ledgers[ledger.relative_to(shard)].append(ledger)
    missing = tuple(missing_shards([shard.name for shard in shards]))
    steps.bad += [_lost(name, "left no results", steps.last) for name in missing]
    _write_journal(into, steps)
    cases = sum(_merge_ledgers(into / place, files) for place, files in ledgers.items())
    return Merged(tuple(shard.name for shard in shards), missing, cases)


def _check_room(into: Path) -> None:
    """What would be removed is a former merged run or nothing: no run that was really run."""
    journal = into / "journal.jsonl"
    if not journal.is_file():
        if into.is_dir() and any(into.iterdir()):
            raise UsageError(f"{into} is there already and is no run")
        return
    # a merged journal has the steps' ends alone, and names their shard where they were cut
    if any(event.what == "started" and not event.name.endswith("]") for event in read(journal)):
        raise UsageError(
            f"{into} is a run of its own and no merged one, and would be lost",
            hint="name another folder",
        )


def missing_shards(names: list[str]) -> Iterator[str]:
    """Of ``x-1-of-3`` and ``x-3-of-3`` it is ``x-2-of-3``."""
    whole: dict[tuple[str, int], set[int]] = defaultdict(set)
    for name in names:
        if found := _SHARE.search(name):
            whole[name[: found.start()], int(found[2])].add(int(found[1]))
    for (stem, count), there in sorted(whole.items()):
        yield from (f"{stem}-{n}-of-{count}" for n in range(1, count + 1) if n not in there)


def _add_journal(steps: _Steps, shard: Path) -> None:
    """The last word on each step; what ended badly is named after its shard."""
    states: dict[str, Event] = {}
    ended = ""
    for event in read(shard / "journal.jsonl"):
        match event.what:
            case "run":
                _check_header(steps, event, shard)
            case "started" | "done" | "failed":
                states[event.name] = event
            case "looked":
                steps.looks.append(event)
        ended, steps.last = event.what, max(steps.last, event.at)
    for name, event in states.items():
        if event.what == "done":
            steps.done.setdefault(name, event)
        else:
            steps.bad.append(msgspec.structs.replace(event, name=f"{name} [{shard.name}]"))
    if ended != "ended":
        what = "was interrupted" if ended == "interrupted" else "was cut before it ended"
        steps.bad.append(_lost(shard.name, what, steps.last))


def _check_header(steps: _Steps, event: Event, shard: Path) -> None:
    if steps.header is None:
        steps.header = event
        return
    with damage_named(shard):
        plans = [from_json(one.data, dict).get("plan_text") for one in (steps.header, event)]
    if plans[0] != plans[1]:
        raise UsageError(f"{shard} is of another plan than the shards before it")


def _lost(name: str, what: str, at: float) -> Event:
    failure = Failure(
        blame="lab",
        message=f"the shard {name} {what}",
        hint="see whether its agent was lost; run the shard again",
    )
    return Event(at=at, what="failed", name=f"shard/{name}", data=msgspec.Raw(to_json(failure)))


def _write_journal(into: Path, steps: _Steps) -> None:
    if steps.header is None:
        raise UsageError("no shard was begun properly; there is nothing to merge")
    journal = Journal(into / "journal.jsonl", group_seconds=GROUP_SECONDS)
    journal.append(steps.header)
    for event in (*steps.done.values(), *steps.bad, *steps.looks):
        journal.append(event)
    journal.append(Event(at=steps.last, what="ended"))
    journal.close()


def _merge_ledgers(target: Path, files: list[Path]) -> int:
    """How many cases there are in the end. One ledger alone is copied as it is."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if len(files) == 1:
        shutil.copyfile(files[0], target)
        return sum(event.what == "case" for event in read(target))
    cases: dict[str, Event] = {}
    ledger = Journal(target, group_seconds=GROUP_SECONDS)
    for event in (event for file in files for event in read(file)):
        if event.what == "case":
            cases[event.name] = _worse(cases.get(event.name), event)
        else:
            ledger.append(event)
    for event in cases.values():
        ledger.append(event)
    ledger.close()
    return len(cases)


def _worse(known: Event | None, event: Event) -> Event:
    if known is None:
        return event
    with damage_named(Path(event.name)):
        ranks = [SEVERITY[from_json(one.data, CaseResult).outcome] for one in (known, event)]
    return event if ranks[1] > ranks[0] else known


def _natural(path: Path) -> tuple[list[int], str]:
    return [int(text) for text in re.findall(r"\d+", path.name)], path.name
