"""The nested Xen host, where the tiny guest runs for real."""

from tests.nested_host import xen_host

__all__ = ["xen_host"]
