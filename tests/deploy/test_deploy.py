"""A whole deployment on a host that answers by script."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from ci.codec import from_json
from ci.deadline import Deadline
from ci.deploy.deploy import deploy_over, ensure_guest
from ci.deploy.host_facts import RESTART_PROGRAM
from ci.deploy.install import DeployPlan
from ci.errors import InfraError, ProductError
from ci.facts import PackageChange
from ci.model import Access, Build, Deployment
from ci.run import Step
from ci.shell import LocalShell
from tests.deploy.packages import DRIVER, LIBVIRTD, a_build
from tests.fakes import Answer, FakeShell, failed
from tests.test_elf import elf, note

ACCESS = Access(
    name="h1",
    address="192.0.2.1",
    port=22,
    user="root",
    key="/k",
    known_hosts="/kh",
    hypervisor="xen",
    uri="xen+ssh://root@192.0.2.1/system",
    boot_id="b1",
)
FACTS = f"program rpm\nprogram dpkg\nprogram {RESTART_PROGRAM}\nboot b1\nkernel 6.1\nID=debian\n"
VERSION = (
    "Using library: libvirt 9.0.0\nRunning hypervisor: Xen 4.17.0\nRunning against daemon: 9.0.0\n"
)
XL_INFO = (Path(__file__).parents[1] / "data/facts/xl-info.txt").read_text()
BEFORE, AFTER = "old-1-1.noarch\n", "old-1-1.noarch\nlibvirt-9.0.0-1.x86_64\n"
NEW, OLD = "ab" * 20, "cd" * 20


def maps(pid: int) -> str:
    return (
        f"daemon libvirtd {pid} {LIBVIRTD}\n"
        f"1000-2000 r--p 00000000 fe:00 1 {LIBVIRTD}\n"
        f"3000-4000 r--p 00000000 fe:00 2 {DRIVER}\n"
    )


def heads(pid: int, daemon: str, driver: str) -> str:
    parts = (("1000-2000", daemon), ("3000-4000", driver))
    text = b"\n".join(
        f"==> /proc/{pid}/map_files/{span} <==\n".encode()
        + elf(bits=64, order="<", notes=note("<", data=bytes.fromhex(known)))
        for span, known in parts
    )
    return base64.encodebytes(text).decode()


def a_host(**changes: Answer) -> ScriptedHost:
    script: dict[str, tuple[tuple[str, ...], Answer | tuple[Answer, ...]]] = {
        "facts": (("sh", "-c"), FACTS),
        "packages": (("rpm", "-qa"), (BEFORE, AFTER)),
        "install": (("rpm", "-Uvh"), "installed\n"),
        "ldconfig": (("ldconfig",), ""),
        "restart": ((RESTART_PROGRAM,), "libvirtd 8\n"),
        "version": (("virsh",), VERSION),
        "xl": (("xl", "info"), XL_INFO),
    }
    answers = {argv: changes.get(name, answer) for name, (argv, answer) in script.items()}
    return ScriptedHost(answers, where="h1")


class ScriptedHost(FakeShell):
    """Before the restart an old driver runs, afterwards another one; the daemon is the same."""

    driver_after = NEW

    def _answer(self, argv: tuple[str, ...]) -> Answer:
        fresh = self.ran(RESTART_PROGRAM)
        pid = 8 if fresh else 7
        if argv[:2] == ("sh", "-c") and "pidof" in argv[2]:
            return maps(pid)
        if argv[:2] == ("sh", "-c") and argv[2].startswith("head"):
            return heads(pid, NEW, self.driver_after if fresh else OLD)
        return super()._answer(argv)


def deployed(shell: FakeShell, tmp_path: Path, build: Build | None = None) -> Deployment:
    build = build or a_build(tmp_path, {LIBVIRTD: NEW, DRIVER: NEW})
    step = Step("deploy/h1", LocalShell(), Deadline.after(30), tmp_path, tmp_path)
    return deploy_over(shell, step, DeployPlan(), build, ACCESS)


def test_a_deployment_is_proven_and_tells_what_changed(tmp_path: Path) -> None:
    shell = a_host()
    deployment = deployed(shell, tmp_path)
    assert deployment.installed == ("libvirt-9.0.0-1.x86_64",)
    assert [module.path for module in deployment.modules] == [DRIVER, LIBVIRTD]
    assert deployment.changed == (DRIVER,)
    assert (deployment.hypervisor_version, deployment.libvirt_version) == ("Xen 4.17.7", "9.0.0")
    assert list(shell.files) == ["/var/lib/virtci/packages/libvirt-9.0.0-1.x86_64.rpm"]


def test_the_package_sets_are_kept_for_a_way_back(tmp_path: Path) -> None:
    deployed(a_host(), tmp_path)
    change = from_json((tmp_path / "packages.json").read_bytes(), PackageChange)
    assert change.before == ("old-1-1.noarch",)
    assert change.difference.added == ("libvirt-9.0.0-1.x86_64",)
    assert (tmp_path / "install.0.log").read_text() == "installed\n"


def test_a_driver_that_is_another_than_built_fails_the_deployment(tmp_path: Path) -> None:
    shell = a_host()
    shell.driver_after = OLD
    with pytest.raises(ProductError, match=f"another {DRIVER}"):
        deployed(shell, tmp_path)


def test_a_package_that_does_not_install_stops_before_the_restart(tmp_path: Path) -> None:
    shell = a_host(install=failed(1, "error: Failed dependencies:\n\tx is needed by libvirt\n"))
    with pytest.raises(ProductError, match="Failed dependencies: x is needed by libvirt"):
        deployed(shell, tmp_path)
    assert not shell.ran(RESTART_PROGRAM)


def test_a_daemon_that_stays_down_is_the_products_fault_with_its_last_words(
    tmp_path: Path,
) -> None:
    shell = a_host(restart=failed(1, "libvirtd does not answer"))
    with pytest.raises(ProductError, match="libvirtd did not come up on h1") as caught:
        deployed(shell, tmp_path)
    assert "libvirtd does not answer" in caught.value.detail
    assert "journalctl" in shell.commands[-1][2]


def test_a_package_that_rpm_does_not_list_afterwards_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProductError, match=r"libvirt-9.0.0-1.x86_64 is not installed on h1"):
        deployed(a_host(packages=BEFORE), tmp_path)


def test_a_host_without_xen_is_a_lab_fault(tmp_path: Path) -> None:
    with pytest.raises(InfraError, match="h1 does not run Xen"):
        deployed(a_host(xl=failed(1, "xencall: error")), tmp_path)


def test_without_packages_the_host_is_only_looked_at(tmp_path: Path) -> None:
    shell = a_host()
    deployment = deployed(shell, tmp_path, Build(kind="none", revision="", rpms=()))
    assert (deployment.installed, deployment.modules) == ((), ())
    assert not shell.ran("rpm")
    assert not shell.ran(RESTART_PROGRAM)


def test_the_guest_is_uploaded_once(tmp_path: Path) -> None:
    shell = FakeShell()
    for name in ("vmlinux", "initrd"):
        (tmp_path / name).write_text(name)
    paths = ensure_guest(shell, tmp_path / "vmlinux", tmp_path / "initrd", Deadline.after(9))
    assert paths == ("/var/lib/virtci/guest/vmlinux", "/var/lib/virtci/guest/initrd")
    assert set(shell.files) == set(paths)
