"""Only what is ours is removed, by its name."""

from __future__ import annotations

import libvirt
import pytest

from suites.hypervisor.handle import Handle
from suites.tck.sweep import foreign, sweep

DOMAIN = (
    "<domain type='test'><name>{}</name><memory>65536</memory><os><type>hvm</type></os></domain>"
)


def names(connection: Handle) -> set[str]:
    return {domain.name() for domain in connection.listAllDomains(0)}


def test_ours_goes_and_the_rest_stays(connection: Handle) -> None:
    connection.defineXML(DOMAIN.format("virtci-tck-1"))
    before = foreign(connection)
    assert sweep(connection) == {}
    assert names(connection) == {"test"}
    assert foreign(connection) == before


def test_a_running_domain_of_ours_goes_too(connection: Handle) -> None:
    connection.createXML(DOMAIN.format("virtci-tck-1"), 0)
    connection.defineXML(DOMAIN.format("virtci-tck-2")).create()
    sweep(connection)
    assert names(connection) == {"test"}


def test_snapshots_and_saved_images_do_not_hold_a_domain(connection: Handle) -> None:
    domain = connection.defineXML(DOMAIN.format("virtci-tck-1"))
    domain.snapshotCreateXML("<domainsnapshot/>", 0)
    domain.create()
    domain.managedSave(0)
    assert sweep(connection) == {}


def test_a_name_that_only_looks_like_ours_stays(connection: Handle) -> None:
    other = connection.defineXML(DOMAIN.format("virtci-tckx"))
    sweep(connection)
    assert "virtci-tckx" in names(connection)
    other.undefine()


def test_what_is_kept_stays(connection: Handle) -> None:
    connection.defineXML(DOMAIN.format("virtci-tck-1"))
    sweep(connection, keep=["virtci-tck-1"])
    assert "virtci-tck-1" in names(connection)


def test_a_worker_leaves_the_objects_of_another(connection: Handle) -> None:
    connection.defineXML(DOMAIN.format("virtci-tck-gw1-1"))
    sweep(connection, prefix="virtci-tck-gw0-")
    assert "virtci-tck-gw1-1" in names(connection)


def test_kinds_that_nobody_made_are_not_looked_at(connection: Handle) -> None:
    connection.defineXML(DOMAIN.format("virtci-tck-1"))
    sweep(connection, functions=["virNetworkDefineXML"])
    assert "virtci-tck-1" in names(connection)


def test_every_kind_of_object_goes(connection: Handle) -> None:
    connection.networkCreateXML("<network><name>virtci-tck-1</name></network>")
    connection.storagePoolDefineXML(
        "<pool type='dir'><name>virtci-tck-2</name><target><path>/virtci</path></target></pool>", 0
    )
    connection.interfaceDefineXML("<interface type='ethernet' name='virtci-tck-3'/>", 0)
    assert sweep(connection) == {}
    with pytest.raises(libvirt.libvirtError):
        connection.networkLookupByName("virtci-tck-1")
    assert not [n for n in connection.listDefinedStoragePools() if n.startswith("virtci-tck-")]
    assert not [n for n in connection.listDefinedInterfaces() if n.startswith("virtci-tck-")]
