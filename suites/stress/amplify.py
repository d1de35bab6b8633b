"""Which knobs make failures likelier here? Each is measured against the plain loop, in turns.

Every arm (plain, and one for each knob) loops for the same time, in rounds, in random order, with a
ledger of its own. A knob is used when its failures per second are surely more than the plain ones.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from random import Random

import msgspec

from ci.codec import from_json
from ci.journal import read
from ci.model import CaseResult, Outcome
from ci.stats.ratio import Ratio, rate_ratio
from suites.stress.amplifiers.knob import Knob, Setting, tried
from suites.stress.amplifiers.knobs import ALL, KNOBS
from suites.stress.crew import BeforeLoops
from suites.stress.options import Options, to_argv
from suites.stress.totals import Totals

ROUNDS = 4
CONFIDENCE = 0.90
PLAIN = "plain"
GRACE_SECONDS = 120.0


@dataclass(frozen=True)
class Arm:
    """One knob, or none, and what it has come to."""

    name: str
    totals: Totals

    @property
    def failed(self) -> int:
        return self.totals.of(Outcome.FAILED)

    @property
    def loops(self) -> int:
        return self.failed + self.totals.of(Outcome.PASSED)


def amplified(options: Options) -> Options:
    """Measure, say what was found, and give back the options with the best knobs turned on."""
    knobs = _available(options)
    arms = measure(options, (PLAIN, *(knob.name for knob in knobs)))
    plain = next(arm for arm in arms if arm.name == PLAIN)
    _tell(_line(plain, "the loop as it is"))
    gains: dict[str, float] = {}
    for arm in arms:
        if arm is not plain:
            per_second, per_loop = uplift(arm, plain)
            _tell(_line(arm, f"{_words(per_loop)} per loop, {_words(per_second)} per second"))
            gains[arm.name] = per_second.low
    best = best_of(gains, options.knobs)
    _tell(f"turned on: {', '.join(best)}" if best else "no knob has surely made it fail more often")
    return msgspec.structs.replace(options, amplify=0.0, knobs=(*options.knobs, *best))


def best_of(gains: dict[str, float], on: tuple[str, ...] = ()) -> list[str]:
    """The knobs that surely help, the best first; only one of those that trace the daemon."""
    best: list[str] = []
    traced = any(KNOBS[name].traces for name in on)
    for name in sorted(gains, key=lambda one: -gains[one]):
        if gains[name] > 1.0 and not (traced and KNOBS[name].traces):
            best.append(name)
            traced = traced or KNOBS[name].traces
    return best


def uplift(arm: Arm, plain: Arm) -> tuple[Ratio, Ratio]:
    """How many times more failures, per second and per loop."""
    seconds = rate_ratio(
        arm.failed, arm.totals.seconds, plain.failed, plain.totals.seconds, CONFIDENCE
    )
    return seconds, rate_ratio(arm.failed, arm.loops, plain.failed, plain.loops, CONFIDENCE)


def measure(options: Options, names: tuple[str, ...]) -> list[Arm]:
    """Loop with each in turns; what was measured before is not measured again."""
    random = Random(f"amplify {options.seed}")
    for number in range(1, ROUNDS + 1):
        for name in random.sample(names, len(names)):
            _turn(options, name, options.amplify * number / ROUNDS)
    return [Arm(name, _totals(_ledger(options, name))) for name in names]


def _available(options: Options) -> tuple[Knob, ...]:
    host = BeforeLoops(options).host
    host.open()
    setting = host.setting()
    host.close()
    missing = {knob.name: _missing(knob, setting, options.knobs) for knob in ALL}
    for name, why in missing.items():
        if why:
            _tell(f"{name}: cannot be used: {why}")
    return tuple(knob for knob in ALL if not missing[knob.name])


def _missing(knob: Knob, setting: Setting, on: tuple[str, ...]) -> str:
    """Why it cannot be measured beside those that are on already, if it cannot."""
    traces = [name for name in on if KNOBS[name].traces]
    if knob.name in on or (knob.traces and traces):
        return f"{' '.join(traces) or knob.name} is on"
    return knob.missing(setting) or tried(knob, setting)


def _ledger(options: Options, name: str) -> Path:
    return Path(f"{options.ledger}.amplify-{name}")


def _turn(options: Options, name: str, seconds: float) -> None:
    """Let one arm loop until it has had ``seconds`` in all."""
    turn = msgspec.structs.replace(
        options,
        ledger=str(_ledger(options, name)),
        loops=0,
        seconds=seconds,
        until="",
        against="",
        amplify=0.0,
        knobs=(*options.knobs, *(() if name == PLAIN else (name,))),
        on_daemon_death="continue",
    )
    subprocess.run(
        (sys.executable, "-m", "suites.stress", *to_argv(turn)),
        stdout=subprocess.DEVNULL,
        timeout=seconds * 10 + GRACE_SECONDS,
        check=False,
    )


def _totals(ledger: Path) -> Totals:
    totals = Totals()
    for event in read(ledger, but="op"):
        if event.what == "case":
            totals.add(from_json(event.data, CaseResult))
    return totals


def _line(arm: Arm, text: str) -> str:
    return f"{arm.name:9} {arm.failed:6} of {arm.loops:8} loops failed: {text}"


def _words(ratio: Ratio) -> str:
    return f"x{ratio.value:.3g} ({ratio.low:.2g} to {ratio.high:.2g})"


def _tell(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - the child's output is its log
