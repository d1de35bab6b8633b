"""The summary's line of proof: whose packages were tested."""

from __future__ import annotations

from ci.model import Deployment
from ci.report.console import proven_there


def deployment(*installed: str) -> Deployment:
    return Deployment(
        host="xen1",
        uri="xen:///system",
        installed=installed,
        modules=(),
        changed=(),
        kernel="6.1",
        hypervisor_version="4.17",
        libvirt_version="9.0.0",
        boot_id="",
    )


def test_a_run_that_built_nothing_says_that_the_hosts_own_packages_were_tested() -> None:
    assert (
        proven_there(deployment())
        == "the host's own packages; libvirt 9.0.0 was tested as it was found"
    )


def test_a_run_with_packages_says_which_and_how_much_of_them_runs() -> None:
    said = proven_there(deployment("libvirt-0:9.0.0-1.x86_64"))
    assert said == "libvirt-0:9.0.0-1.x86_64; 0 running modules are these by build-id"
