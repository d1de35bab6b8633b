"""Removing what is ours, by its name; what is not ours is never touched."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import libvirt

from suites.hypervisor.handle import Handle
from suites.hypervisor.method import failed_function
from suites.tck.names import PREFIX
from suites.tck.verdict import is_unsupported

MANAGED_SAVE = libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
SNAPSHOTS = libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
CHECKPOINTS = libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
NVRAM = libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
UNDEFINES = (
    MANAGED_SAVE | SNAPSHOTS | CHECKPOINTS | NVRAM,
    MANAGED_SAVE | SNAPSHOTS | CHECKPOINTS,
    MANAGED_SAVE | SNAPSHOTS,
    MANAGED_SAVE,
)


def _name(handle: Handle) -> str:
    return str(handle.name())


@dataclass(frozen=True)
class Kind:
    """A kind of object: what makes one, how all are listed, how it ends, what it is called."""

    makers: str  # a pattern of libvirt's functions
    listing: str
    remove: Callable[[Handle], None]
    name: Callable[[Handle], str] = _name


def sweep(
    connection: Handle,
    *,
    prefix: str = PREFIX,
    keep: Iterable[str] = (),
    functions: Iterable[str] | None = None,
) -> dict[str, str]:
    """Remove all that is ours, or only the kinds that ``functions`` can have made.

    Gives name and reason of each object that could not be removed.
    """
    kept = frozenset(keep)
    called = None if functions is None else tuple(functions)
    kinds = [
        kind
        for kind in KINDS
        if called is None or any(re.match(kind.makers, function) for function in called)
    ]
    return {
        name: why for kind in kinds for name, why in _sweep_kind(connection, kind, prefix, kept)
    }


def _sweep_kind(
    connection: Handle, kind: Kind, prefix: str, keep: frozenset[str]
) -> Iterator[tuple[str, str]]:
    for handle, name in _ours(connection, kind, prefix):
        if name in keep:
            continue
        try:
            kind.remove(handle)
        except libvirt.libvirtError as error:
            if any(name == left for _, left in _ours(connection, kind, prefix)):
                yield name, f"{name} could not be removed: {failed_function(error)}: {error}"


def _ours(connection: Handle, kind: Kind, prefix: str) -> list[tuple[Handle, str]]:
    try:
        handles = getattr(connection, kind.listing)(0)
    except libvirt.libvirtError as error:
        if is_unsupported(error):
            return []
        raise
    named = []
    for handle in handles:
        try:
            named.append((handle, kind.name(handle)))
        except libvirt.libvirtError:
            continue  # ended by itself since it was listed
    return [(handle, name) for handle, name in named if name.startswith(prefix)]


def foreign(connection: Handle) -> frozenset[str]:
    """Domains, networks and pools that are not ours; they have to be the same at the end."""
    found: set[str] = set()
    for listing in ("listAllDomains", "listAllNetworks", "listAllStoragePools"):
        try:
            names = [str(handle.name()) for handle in getattr(connection, listing)(0)]
        except libvirt.libvirtError as error:
            if not is_unsupported(error):
                raise
            names = []
        found.update(f"{listing}/{name}" for name in names if not name.startswith(PREFIX))
    return frozenset(found)


def _remove_domain(domain: Handle) -> None:
    persistent = domain.isPersistent()
    if domain.isActive():
        _destroy(domain)
    if persistent:
        _undefine(domain)


def _destroy(domain: Handle) -> None:
    """A domain that was asked to shut down may end by itself between question and order."""
    try:
        domain.destroy()
    except libvirt.libvirtError as error:
        if error.get_error_code() not in (
            libvirt.VIR_ERR_OPERATION_INVALID,
            libvirt.VIR_ERR_NO_DOMAIN,
        ):
            raise


def _undefine(domain: Handle) -> None:
    """Drivers refuse flags that they do not know, even for what a domain does not have."""
    for flags in UNDEFINES:
        try:
            domain.undefineFlags(flags)
            return
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                return
    domain.undefine()


def _remove_network(network: Handle) -> None:
    persistent = network.isPersistent()
    if network.isActive():
        network.destroy()
    if persistent:
        network.undefine()


def _remove_pool(pool: Handle) -> None:
    persistent = pool.isPersistent()
    if not pool.isActive() and not _starts(pool):
        pool.undefine()
        return
    pool.refresh()
    for volume in pool.listAllVolumes(0):
        volume.delete()
    # a transient pool is gone once it is destroyed, and its folder can then not be deleted
    if persistent:
        pool.destroy()
        pool.delete()
        pool.undefine()
    else:
        _remove_transient_pool(pool)


def _starts(pool: Handle) -> bool:
    """Whether it can be started; without its folder there is nothing in it to remove."""
    try:
        pool.create()
    except libvirt.libvirtError:
        return False
    return True


def _remove_transient_pool(pool: Handle) -> None:
    again = pool.connect().storagePoolDefineXML(pool.XMLDesc(0))
    again.destroy()
    again.delete()
    again.undefine()


def _remove_interface(interface: Handle) -> None:
    if interface.isActive():
        interface.destroy()
    interface.undefine()


def _delete(handle: Handle) -> None:
    handle.delete()


def _end(handle: Handle) -> None:
    handle.destroy()


def _forget(handle: Handle) -> None:
    handle.undefine()


KINDS = (
    Kind(
        r"virDomain(Define|Create|Restore|Migrate|.*RevertTo|.*Resume|Reset)",
        "listAllDomains",
        _remove_domain,
    ),
    Kind(r"virNetwork(Define|Create)", "listAllNetworks", _remove_network),
    Kind(
        r"virNWFilterBindingCreate",
        "listAllNWFilterBindings",
        _delete,
        lambda handle: str(handle.filterName()),
    ),
    Kind(r"virNWFilterDefine", "listAllNWFilters", _forget),
    Kind(
        r"virSecretDefine",
        "listAllSecrets",
        _forget,
        lambda handle: str(handle.usageID()).lstrip("/"),
    ),
    Kind(r"virStorage(Pool|Vol)(Define|Create)", "listAllStoragePools", _remove_pool),
    Kind(r"virInterface(Define|Create)", "listAllInterfaces", _remove_interface),
    Kind(r"virNodeDevice(Define|Create)", "listAllDevices", _end),
)
