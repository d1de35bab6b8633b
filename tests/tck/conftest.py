"""The private libvirtd for the real tests of the TCK."""

from tests.libvirtd import libvirtd, respawning_libvirtd

__all__ = ["libvirtd", "respawning_libvirtd"]
