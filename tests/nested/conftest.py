"""The nested Xen host for the tests of its own code."""

from tests.nested_host import xen_host

__all__ = ["xen_host"]
