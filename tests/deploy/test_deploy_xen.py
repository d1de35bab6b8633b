"""The whole way on a real Xen host: upload, install, restart, proof, evidence."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci.deadline import Deadline
from ci.deploy.deploy import deploy
from ci.deploy.evidence import gather
from ci.deploy.install import DeployPlan
from ci.deploy.ssh_errors import target_of
from ci.deploy.sshhost import SshHost
from ci.deploy.sshshell import SshShell
from ci.errors import ProductError
from ci.model import Access, Build
from ci.rpmfile import read_package
from ci.run import Step
from ci.shell import LocalShell, must
from tests.deploy.packages import LIBVIRTD
from tests.deploy.small_rpms import make_rpm
from tests.nested_host import xen_host as xen_host  # noqa: PLC0414 - a fixture

pytestmark = [pytest.mark.real, pytest.mark.xen]
UNCHANGED = "%global __os_install_post %{nil}\n%global _build_id_links none\nAutoReqProv: no"
DRIVER_FOLDER = "/usr/lib/x86_64-linux-gnu/libvirt/connection-driver"


def step_in(folder: Path, seconds: float = 300.0) -> Step:
    folder.mkdir(parents=True, exist_ok=True)
    return Step("deploy", LocalShell(), Deadline.after(seconds), folder, folder)


@pytest.fixture
def host(xen_host: Access) -> Iterator[SshShell]:
    with SshShell(target_of(xen_host)) as shell:
        yield shell


@pytest.fixture
def its_own_libvirt(host: SshShell, tmp_path: Path) -> Build:
    """The daemon and the driver that the host has, as a package: installing it changes nothing."""
    driver = f"{DRIVER_FOLDER}/libvirt_driver_libxl.so"
    files = {}
    for path in (LIBVIRTD, driver):
        host.get(path, tmp_path / "got", Deadline.after(120))
        files[path] = (tmp_path / "got").read_bytes()
    rpm = make_rpm(tmp_path, "same-libvirt", files=files, more=UNCHANGED, arch="x86_64")
    package = read_package(LocalShell(), rpm, Deadline.after(60))
    assert {file.path for file in package.build_ids} == set(files)
    return Build(kind="test", revision="r1", rpms=(package,))


def test_a_deployment_is_proven_on_a_real_host(
    xen_host: Access, its_own_libvirt: Build, tmp_path: Path
) -> None:
    deployment = deploy(step_in(tmp_path / "d"), DeployPlan(), its_own_libvirt, xen_host)
    assert deployment.installed == ("same-libvirt-1-1.x86_64",)
    assert LIBVIRTD in [module.path for module in deployment.modules]
    assert len(deployment.modules) == 2
    assert deployment.changed == ()
    assert deployment.hypervisor_version.startswith("Xen 4.")
    assert deployment.boot_id == xen_host.boot_id


def test_a_daemon_that_was_not_restarted_is_caught(
    xen_host: Access, its_own_libvirt: Build, tmp_path: Path
) -> None:
    plan = DeployPlan(restart_command=("true",))
    try:
        with pytest.raises(ProductError, match="still runs a deleted"):
            deploy(step_in(tmp_path / "d"), plan, its_own_libvirt, xen_host)
    finally:
        deploy(step_in(tmp_path / "d"), DeployPlan(), its_own_libvirt, xen_host)


def test_the_same_host_can_be_named_as_any_machine(xen_host: Access, tmp_path: Path) -> None:
    named = SshHost(
        name="h1",
        address=xen_host.address,
        port=xen_host.port,
        key=xen_host.key,
        known_hosts=xen_host.known_hosts,
    )
    access = named.acquire(step_in(tmp_path))
    assert access.boot_id == xen_host.boot_id
    assert named.still_up(access, Deadline.after(60))
    listing = ("virsh", "-c", access.uri, "list", "--all", "--name")
    assert "Domain-0" in must(LocalShell(), listing, Deadline.after(60))


def test_evidence_of_a_real_host_is_gathered(xen_host: Access, tmp_path: Path) -> None:
    evidence = gather(xen_host, tmp_path, Deadline.after(60))
    assert "xen_version" in (tmp_path / "xl-info.txt").read_text()
    assert "Domain-0" in (tmp_path / "xl-domains.txt").read_text()
    assert any(name.startswith("var-log-libvirt/") for name in evidence.files)
    assert evidence.missing == ()


def test_evidence_of_a_host_that_is_gone_says_so_and_fails_nothing(tmp_path: Path) -> None:
    known_hosts = tmp_path / "known_hosts"
    known_hosts.touch()
    key = tmp_path / "key"
    subprocess.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)), check=True)
    gone = Access(
        name="gone",
        address="127.0.0.1",
        port=1,
        user="root",
        key=str(key),
        known_hosts=str(known_hosts),
        hypervisor="xen",
        uri="",
        boot_id="",
    )
    evidence = gather(gone, tmp_path / "evidence", Deadline.after(30))
    assert evidence.files == ()
    assert "nothing listens" in (tmp_path / "evidence/missing.txt").read_text()
