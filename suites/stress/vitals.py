"""The daemon's descriptors, threads and memory over the iterations: does it leak slowly?"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from ci.model import Record
from ci.stats.slope import trend

MOST = 256  # samples that are kept; then every second goes
EVERY_SECONDS = 0.25  # shorter than an iteration with a guest: a short loop has a sample of each
EVERY_SECONDS_ELSEWHERE = 10.0  # asking another machine costs a login
SURE = 0.001  # the chance of calling a steady daemon a leaking one, per quantity
WARM_UP = 4  # the first quarter of the samples: caches fill
KIB = 1024


class Quantity(Record, frozen=True, kw_only=True):
    """What is looked at, and which rise is worth a word (in its unit, and as a share).

    Fewer settled samples than ``fewest`` say nothing: memory is noisy, a count is not.
    """

    name: str
    unit: str
    least: float
    share: float
    fewest: int


QUANTITIES = (
    Quantity(name="file descriptors", unit="", least=6, share=0.0, fewest=10),
    Quantity(name="threads", unit="", least=6, share=0.0, fewest=10),
    Quantity(name="memory", unit=" KiB", least=4096, share=0.05, fewest=24),
)
Sample = tuple[float, float, float, float]


def read_vitals(pid: int) -> tuple[float, float, float]:
    """Descriptors, threads and resident KiB of a process. Raises OSError when it is gone."""
    folder = Path(f"/proc/{pid}")
    descriptors = sum(1 for _ in (folder / "fd").iterdir())
    words = dict(
        line.split(":", 1) for line in (folder / "status").read_text().splitlines() if ":" in line
    )
    return descriptors, int(words["Threads"]), int(words["VmRSS"].split()[0])


class Vitals:
    """Samples of one process; another process begins anew."""

    def __init__(
        self,
        read: Callable[[int], tuple[float, float, float]] = read_vitals,
        *,
        every: float = EVERY_SECONDS,
    ) -> None:
        self._read = read
        self._every = every
        self._pid = 0
        self._samples: list[Sample] = []
        self._spacing = every
        self._next = 0.0

    def look(self, pid: int, iteration: int) -> None:
        """Take a sample if it is time to."""
        now = time.monotonic()
        if now < self._next or not pid:
            return
        self._next = now + self._spacing
        if pid != self._pid:
            self._pid, self._samples, self._spacing = pid, [], self._every
        try:
            self._samples.append((float(iteration), *self._read(pid)))
        except OSError:
            return
        if len(self._samples) >= MOST:
            self._samples, self._spacing = self._samples[::2], self._spacing * 2

    @property
    def samples(self) -> tuple[Sample, ...]:
        """Iteration, descriptors, threads and resident KiB, for the report's picture."""
        return tuple(self._samples)

    def leaks(self) -> tuple[str, ...]:
        """A sentence for each quantity that rises steadily and not just a little."""
        settled = self._samples[len(self._samples) // WARM_UP :]
        return tuple(
            said
            for column, quantity in enumerate(QUANTITIES, 1)
            if len(settled) >= quantity.fewest
            and (said := _leak(quantity, [(sample[0], sample[column]) for sample in settled]))
        )


def _leak(quantity: Quantity, points: list[tuple[float, float]]) -> str:
    found = trend(points)
    worth = max(quantity.least, quantity.share * points[0][1])
    if found.p_value > SURE or found.rise < worth:
        return ""
    return (
        f"the daemon leaks {quantity.name}: {found.slope * 100:+,.1f}{quantity.unit} "
        f"per 100 iterations (p = {found.p_value:.2g})"
    )
