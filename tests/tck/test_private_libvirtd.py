"""The fixture that the real tests stand on."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import libvirt
import pytest

from tests.libvirtd import Libvirtd, start_libvirtd

pytestmark = pytest.mark.real


def test_it_has_a_network_namespace_of_its_own(libvirtd: Libvirtd) -> None:
    assert Path(f"/proc/{libvirtd.pid}/ns/net").readlink() != Path("/proc/self/ns/net").readlink()


def test_it_offers_no_kvm_that_cannot_boot_guests(libvirtd: Libvirtd) -> None:
    connection = libvirt.open(libvirtd.uri)
    assert "<domain type='kvm'" not in connection.getCapabilities()
    connection.close()


def test_it_comes_back_after_it_was_killed(respawning_libvirtd: Libvirtd) -> None:
    before = respawning_libvirtd.pid
    os.kill(before, signal.SIGKILL)
    until = time.monotonic() + 30
    while respawning_libvirtd.pid == before:
        assert time.monotonic() < until
        time.sleep(0.05)


def test_nothing_of_it_is_left_when_the_block_ends() -> None:
    with start_libvirtd() as daemon:
        pid, folder = daemon.pid, daemon.folder
    assert not Path(f"/proc/{pid}").exists()
    assert not folder.exists()
