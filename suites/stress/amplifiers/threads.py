"""The threads of a process, by /proc."""

from __future__ import annotations

import contextlib
from pathlib import Path


def threads(pid: int) -> list[int]:
    """The threads of a process; none when it is gone."""
    with contextlib.suppress(OSError):
        return [int(task.name) for task in Path(f"/proc/{pid}/task").iterdir()]
    return []


def running(pid: int, thread: int) -> bool:
    """Whether the thread is on a processor, or would be."""
    try:
        text = Path(f"/proc/{pid}/task/{thread}/stat").read_bytes()
    except OSError:
        return False
    return text.rpartition(b")")[2].split()[0] == b"R"
