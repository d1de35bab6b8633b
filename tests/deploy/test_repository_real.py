"""The run's packages as a repository: the real zypper and dnf, over a real sshd, into own roots."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest

from ci.deadline import Deadline
from ci.deploy.host_facts import host_facts
from ci.deploy.install import DeployPlan, install, install_commands, installed_packages, remote_path
from ci.deploy.repository import index, offer
from ci.deploy.sshshell import SshShell
from ci.errors import InfraError, ProductError
from ci.model import Rpm
from ci.shell import LocalShell
from tests.deploy.hosts import FakeMachine, a_machine
from tests.deploy.small_rpms import make_rpm

pytestmark = pytest.mark.real
Deploy = Callable[..., tuple[str, ...]]


def soon() -> Deadline:
    return Deadline.after(120)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeMachine]:
    with a_machine(tmp_path_factory.mktemp("host"), "suse") as found:
        yield found


def rpm_of(path: Path, *, version: str = "1", epoch: int = 0) -> Rpm:
    name = path.name.removesuffix(f"-{version}-1.noarch.rpm")
    return Rpm(
        name=name, epoch=epoch, version=version, release="1", arch="noarch", path=str(path),
        sha256="",
    )  # fmt: skip


@pytest.fixture(params=["zypper", "dnf"])
def into(machine: FakeMachine, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Deploy]:
    """Uploads, offers and installs packages as a deployment does; gives the set of after."""
    manager: Literal["zypper", "dnf"] = request.param
    root = tmp_path / "root"
    root.mkdir()
    with SshShell(machine.sshd.target()) as ssh:
        facts = host_facts(ssh, soon())
        assert manager in facts.programs, f"{manager} is missing: apt-get install {manager}"

        def deploy(*rpms: Rpm, wanted: tuple[Rpm, ...] = ()) -> tuple[str, ...]:
            plan = DeployPlan(root=str(root), manager=manager)
            ssh.put_many([(Path(rpm.path), remote_path(rpm)) for rpm in rpms], soon())
            offer(LocalShell(), ssh, rpms, tmp_path / "repository", soon())
            commands = install_commands(plan, facts, [], wanted or rpms)
            install(ssh, commands, soon(), log=tmp_path / "install")
            return installed_packages(ssh, soon(), root=str(root))

        yield deploy
    left = [path for path in root.rglob("*.repo") if path.is_file()]
    assert left == [], "a repository of ours stayed configured"


def both(folder: Path, version: str) -> tuple[Rpm, Rpm]:
    """Two packages that only go together, one of them with an epoch."""
    lib = make_rpm(folder, "lib", version=version, more="Epoch: 3")
    tool = make_rpm(folder, "tool", version=version, more=f"Requires: lib = 3:{version}")
    return rpm_of(lib, version=version, epoch=3), rpm_of(tool, version=version)


def test_packages_go_in_up_and_down_in_one_transaction_each(into: Deploy, tmp_path: Path) -> None:
    old, new = both(tmp_path, "1"), both(tmp_path, "2")
    assert into(*old) == ("lib-3:1-1.noarch", "tool-1-1.noarch")
    assert into(*new) == ("lib-3:2-1.noarch", "tool-2-1.noarch")
    assert into(*old) == ("lib-3:1-1.noarch", "tool-1-1.noarch")


def test_what_a_package_needs_comes_out_of_the_repository_too(into: Deploy, tmp_path: Path) -> None:
    lib, tool = both(tmp_path, "1")
    assert into(lib, tool, wanted=(tool,)) == ("lib-3:1-1.noarch", "tool-1-1.noarch")


def test_packages_that_do_not_fit_are_the_products_fault(into: Deploy, tmp_path: Path) -> None:
    _, tool = both(tmp_path, "1")
    with pytest.raises(ProductError, match=r"lib = 3:1"):
        into(tool)


def test_without_createrepo_the_lab_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(InfraError, match="createrepo_c is not installed") as caught:
        index((), tmp_path / "r", LocalShell(), soon())
    assert "deploy.repository = false" in caught.value.hint
