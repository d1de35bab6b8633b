"""Real snapper on a real btrfs root: a snapshot before an installation, and the way back to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from ci.deadline import Deadline
from ci.deploy import boot
from ci.deploy.install import installed_packages
from ci.deploy.snapshot import return_to_snapshot, take_snapshot
from ci.errors import InfraError
from ci.shell import must
from tests.deploy.small_rpms import make_rpm
from tests.deploy.snapper_host import SnapperHost, a_snapper_host
from tests.deploy.test_install import host as facts_of

pytestmark = pytest.mark.real
FACTS = facts_of("rpm", "snapper")


def soon() -> Deadline:
    return Deadline.after(60)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SnapperHost]:
    """Nothing is asked to reboot: a boot is a mount of the default subvolume."""
    with a_snapper_host(tmp_path) as machine:
        monkeypatch.setattr(boot, "ask_for_reboot", lambda *_: machine.boot())
        monkeypatch.setattr(boot, "wait_for_new_boot", lambda *_: "another")
        yield machine


def install(host: SnapperHost, package: Path) -> None:
    must(host, ("rpm", "-U", "--nodeps", host.put(package)), soon())


def test_the_packages_of_before_are_back_after_a_boot(host: SnapperHost, tmp_path: Path) -> None:
    old, new = (make_rpm(tmp_path / "rpms", "good", version=number) for number in "12")
    install(host, old)
    before = installed_packages(host, soon())
    number = take_snapshot(host, FACTS, "a run", soon())
    assert number == 2
    install(host, new)
    assert installed_packages(host, soon()) != before
    [argv] = return_to_snapshot(host, cast(Any, host), number, before, soon())
    assert argv[-1] == "2"
    assert installed_packages(host, soon()) == before == ("good-1-1.noarch",)
    listed = must(host, ("snapper", "--config", "root", "list"), soon())
    assert "virtci a run" in listed
    assert "virtci back to 2" in listed


def test_a_snapshot_that_is_gone_or_taken_too_late_is_told(
    host: SnapperHost, tmp_path: Path
) -> None:
    with pytest.raises(InfraError, match="does not roll snapper-host back to 77"):
        return_to_snapshot(host, cast(Any, host), 77, (), soon())
    before = installed_packages(host, soon())
    install(host, make_rpm(tmp_path / "rpms", "good"))
    number = take_snapshot(host, FACTS, "late", soon())
    with pytest.raises(InfraError, match="other packages than before after all") as caught:
        return_to_snapshot(host, cast(Any, host), number, before, soon())
    assert "+ good-1-1.noarch" in caught.value.detail


def test_without_a_configuration_for_the_root_there_is_no_snapshot(host: SnapperHost) -> None:
    must(host, ("sh", "-c", "echo 'SNAPPER_CONFIGS=\"\"' >/etc/default/snapper"), soon())
    assert take_snapshot(host, FACTS, "a run", soon()) == 0
