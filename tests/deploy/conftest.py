"""A real sshd for the tests that ask for one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ci.deploy.sshshell import SshShell
from tests.sshd import Sshd, running_sshd


@pytest.fixture(scope="session")
def shared_sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """One server for the tests that leave it as it was."""
    yield from running_sshd(tmp_path_factory.mktemp("sshd"))


@pytest.fixture
def own_sshd(tmp_path: Path) -> Iterator[Sshd]:
    """A server for a test that breaks it."""
    folder = tmp_path / "sshd"
    folder.mkdir()
    yield from running_sshd(folder)


@pytest.fixture
def ssh(shared_sshd: Sshd) -> Iterator[SshShell]:
    with SshShell(shared_sshd.target()) as shell:
        yield shell
