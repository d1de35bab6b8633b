"""Real packages into a root of their own, by the real rpm, over a real sshd."""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest

from ci.deadline import Deadline
from ci.deploy.host_facts import host_facts
from ci.deploy.install import DeployPlan, install, install_commands, installed_packages
from ci.deploy.proof import Expected, running_files
from ci.deploy.sshshell import SshShell
from ci.elf import HEAD_BYTES, build_id
from ci.errors import InfraError, ProductError
from ci.facts import package_diff
from tests.deploy.small_rpms import make_rpm
from tests.root import need_root

pytestmark = pytest.mark.real
Install = Callable[..., None]
BAD_LUA = 'error("no way")'


def soon() -> Deadline:
    return Deadline.after(60)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


@pytest.fixture
def into(ssh: SshShell, root: Path, tmp_path: Path) -> Install:
    return installer(ssh, root, tmp_path, "rpm")


@pytest.fixture(params=["rpm", "zypper"])
def into_either(
    ssh: SshShell, root: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> Install:
    return installer(ssh, root, tmp_path, request.param)


def installer(
    ssh: SshShell, root: Path, tmp_path: Path, manager: Literal["rpm", "zypper"]
) -> Install:
    """Decides and installs packages into the root as a deployment would."""
    facts = host_facts(ssh, soon())
    assert manager in facts.programs, f"{manager} is missing: apt-get install {manager}"

    def go(*rpms: Path, into_root: str = "") -> None:
        used = DeployPlan(root=into_root or str(root), manager=manager, nodeps="no")
        commands = install_commands(used, facts, [str(rpm) for rpm in rpms])
        install(ssh, commands, soon(), log=tmp_path / "install")

    return go


def test_packages_go_in_up_again_and_down(
    into_either: Install, ssh: SshShell, root: Path, tmp_path: Path
) -> None:
    old, new = make_rpm(tmp_path, "good"), make_rpm(tmp_path, "good", version="2")
    into_either(old, make_rpm(tmp_path, "more"))
    before = installed_packages(ssh, soon(), root=str(root))
    assert before == ("good-1-1.noarch", "more-1-1.noarch")
    into_either(new)
    into_either(new)
    after = installed_packages(ssh, soon(), root=str(root))
    assert package_diff(before, after).changed == ("good-1-1.noarch -> good-2-1.noarch",)
    into_either(old)
    assert installed_packages(ssh, soon(), root=str(root)) == before


def test_nothing_goes_in_when_one_of_many_does_not_fit(
    into_either: Install, ssh: SshShell, root: Path, tmp_path: Path
) -> None:
    good = make_rpm(tmp_path, "good")
    needy = make_rpm(tmp_path, "needy", more="Requires: something-missing >= 3")
    with pytest.raises(ProductError, match=r"something-missing >= 3 .*needed by needy"):
        into_either(good, needy)
    assert installed_packages(ssh, soon(), root=str(root)) == ()


def test_a_file_of_another_package_is_named(into_either: Install, tmp_path: Path) -> None:
    into_either(make_rpm(tmp_path, "good"))
    with pytest.raises(ProductError, match=r"[Ff]ile /good from install of thief-1-1.noarch"):
        into_either(make_rpm(tmp_path, "thief", files={"/good": b"other"}))


def test_a_conflict_is_named(into_either: Install, tmp_path: Path) -> None:
    into_either(make_rpm(tmp_path, "good"))
    with pytest.raises(
        ProductError, match=r"good conflicts with foe|foe-1-1.noarch conflicts with good"
    ):
        into_either(make_rpm(tmp_path, "foe", more="Conflicts: good"))


@pytest.mark.parametrize("when", ["%pre", "%post"])
def test_a_failing_script_is_the_packages_fault(
    into_either: Install, tmp_path: Path, when: str
) -> None:
    with pytest.raises(ProductError, match=r"a script of the new packages fails: .*no way"):
        into_either(make_rpm(tmp_path, "bad", scripts=f"{when} -p <lua>\n{BAD_LUA}"))


def test_a_damaged_package_is_the_packages_fault(into: Install, tmp_path: Path) -> None:
    whole = make_rpm(tmp_path, "good").read_bytes()
    (tmp_path / "cut.rpm").write_bytes(whole[:3000])
    with pytest.raises(ProductError, match="damaged as it was built"):
        into(tmp_path / "cut.rpm")


@pytest.fixture
def small_root(tmp_path: Path) -> Iterator[Path]:
    need_root("mounting a small disk")
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ("mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder))
    done = subprocess.run(mount, check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"a small disk needs root to mount: {done.stderr}"
    yield folder
    subprocess.run(("umount", str(folder)), check=True)


def test_a_full_disk_is_the_labs_fault(into: Install, tmp_path: Path, small_root: Path) -> None:
    with pytest.raises(InfraError, match="the disk of the host is full"):
        into(
            make_rpm(tmp_path, "big", files={"/big": os.urandom(3_000_000)}),
            into_root=str(small_root),
        )


def test_a_held_lock_is_the_labs_fault(into: Install, root: Path, tmp_path: Path) -> None:
    good = make_rpm(tmp_path, "good")
    into(good)
    (lock,) = root.rglob(".rpm.lock")
    with lock.open("w") as held:
        fcntl.lockf(held, fcntl.LOCK_EX)
        with pytest.raises(InfraError, match="another package manager holds the lock"):
            into(good)


def test_a_real_process_is_read_through_its_maps(ssh: SshShell, tmp_path: Path) -> None:
    """Our own copy of a program runs; then its file is replaced, as an upgrade would."""
    need_root("looking into a process as the kernel maps it")
    program = tmp_path / "virtci-sleep"
    program.write_bytes(Path("/bin/sleep").read_bytes())
    program.chmod(0o755)
    expected = build_id(program.read_bytes()[:HEAD_BYTES])
    wanted = {str(program): Expected(path=str(program), build_id=expected, package="p")}
    process = subprocess.Popen((str(program), "100"))
    try:
        (found,) = running_files(ssh, ("virtci-sleep",), wanted, soon())
        assert (found.pid, found.build_id, found.deleted) == (process.pid, expected, False)
        program.unlink()
        program.write_bytes(b"another")
        (stale,) = running_files(ssh, (str(program), "virtci-sleep"), wanted, soon())
        assert (stale.build_id, stale.deleted) == (expected, True)
    finally:
        process.kill()
        process.wait()
