"""What is believed of a daemon on another machine."""

from __future__ import annotations

import pytest

from suites.hypervisor.daemon import RemoteDaemon


@pytest.mark.parametrize(
    ("script", "alive"),
    [
        ("echo 7 100", True),
        ("echo 8 200", False),  # another one
        ("exit 1", False),  # not yet started again
        ("exit 255", True),  # ssh could not ask
    ],
)
def test_a_daemon_elsewhere_lives_unless_the_probe_denies_it(
    script: str,
    alive: bool,  # noqa: FBT001
) -> None:
    daemon = RemoteDaemon(("sh", "-c", script), "7 100")
    assert daemon.alive(wait_seconds=1) is alive
