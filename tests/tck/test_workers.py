"""How many workers a connection gets when nobody says."""

from __future__ import annotations

import pytest

from ci.commands.tck import workers_for


@pytest.mark.parametrize(
    ("uri", "workers"),
    [
        ("test:///default", 2),
        ("test:///srv/node.xml", 2),
        ("qemu:///system", 3),
        ("qemu+unix:///session?socket=/run/s", 3),
        ("xen:///system", 2),
        ("qemu+tcp://127.0.0.1/system", 1),
        ("xen+ssh://root@host/system", 1),
    ],
)
def test_workers_wait_together_for_a_daemon_of_this_machine(uri: str, workers: int) -> None:
    assert workers_for(uri) == workers
