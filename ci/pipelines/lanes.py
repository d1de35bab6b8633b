"""One lane per host: side by side, and no host's trouble stops another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def in_lanes(hosts: Sequence[T], lane: Callable[[T], None]) -> None:
    """Run ``lane`` for each host at once; wait for all; then raise the first error, if any."""
    with ThreadPoolExecutor(max_workers=max(1, len(hosts)), thread_name_prefix="lane") as pool:
        futures: list[Future[None]] = [pool.submit(lane, host) for host in hosts]
    for future in futures:
        future.result()
