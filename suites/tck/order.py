"""Which cases are run, and in which order: the same ones in each worker."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, TypeVar

import pytest

from suites.tck.alone import MARK
from suites.tck.events import case_name

DONE = "virtci-done"  # what a worker is told of them

# seconds that the longest areas took when everything was emulated; of all others a second or two
LONG = {
    "power": 60, "save": 40, "events": 30, "lifecycle": 30, "block": 25, "snapshots": 25,
    "network": 20, "network_card": 20, "vcpus": 10, "nwfilter": 7, "jobs": 5, "memory": 5,
    "console": 5,
}  # fmt: skip

Case = TypeVar("Case")


class Order:
    """Leaves out the cases that are ``done``; the others are dealt to ``workers``."""

    def __init__(self, done: Iterable[str], workers: int) -> None:
        self.done = frozenset(done)
        self.workers = workers

    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        again = [item for item in items if case_name(item) in self.done]
        if again:
            config.hook.pytest_deselected(items=again)
        due = [item for item in items if case_name(item) not in self.done]
        items[:] = self._dealt(due) if self.workers > 1 else due

    def _dealt(self, due: list[pytest.Item]) -> list[pytest.Item]:
        """Those that must be alone come first: no worker has come to a long case yet."""
        alone = [item for item in due if is_alone(item)]
        areas = groupby((item for item in due if not is_alone(item)), area_of)
        return alone + deal({area: list(cases) for area, cases in areas}, self.workers)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """A worker has no ledger; one that starts later has to leave out the same cases."""
        node.workerinput[DONE] = sorted(self.done)


def order_for(config: pytest.Config, done: Iterable[str]) -> Order:
    """Of this process; a worker was told what is done and how many there are of them."""
    told = getattr(config, "workerinput", {})
    return Order(told.get(DONE, done), int(told.get("workercount", 1)))


def area_of(item: pytest.Item) -> str:
    return case_name(item).partition("/")[0]


def is_alone(item: pytest.Item) -> bool:
    """Whether no case at all may run beside this one."""
    mark = item.get_closest_marker(MARK)
    return mark is not None and not mark.args


def deal(areas: dict[str, list[Case]], workers: int) -> list[Case]:
    """The cases in one row. pytest-xdist cuts it into equal parts, one for each worker; who is
    through takes over the end of another's.

    So each part begins with long areas: they stay with one worker, whose cases hand on their
    domains. The short ones behind them go where there is time.
    """
    shares: list[list[Case]] = [[] for _ in range(workers)]
    seconds = [0] * workers
    for area in sorted(LONG.keys() & areas, key=lambda name: (-LONG[name], name)):
        least = seconds.index(min(seconds))
        shares[least] += areas[area]
        seconds[least] += LONG[area]
    short = iter([case for area, cases in areas.items() if area not in LONG for case in cases])
    total = sum(map(len, areas.values()))
    for share in shares:
        share.extend(_some(short, total // workers - len(share)))
    return [case for share in shares for case in share] + list(short)


def _some(cases: Iterator[Case], most: int) -> list[Case]:
    return [case for _, case in zip(range(most), cases, strict=False)]
