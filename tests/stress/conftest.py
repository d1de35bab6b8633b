"""The private libvirtd, the nested Xen host and the tiny guest for the loops' real tests."""

from __future__ import annotations

import pytest

from ci.deadline import Deadline
from ci.guest.build import Guest, build_guest
from ci.shell import LocalShell
from tests.libvirtd import libvirtd, respawning_libvirtd
from tests.nested_host import xen_host

__all__ = ["libvirtd", "respawning_libvirtd", "tiny_guest", "xen_host"]


@pytest.fixture(scope="session")
def tiny_guest() -> Guest:
    """The guest that says on its console that it lives."""
    return build_guest(LocalShell(), Deadline.after(600), say=lambda _: None)
