"""What is decided about an installation, without any host."""

from __future__ import annotations

import msgspec
import pytest

from ci.deploy.host_facts import RESTART_PROGRAM, HostFacts, parse_host_facts
from ci.deploy.install import DeployPlan, install_commands, restart_commands
from ci.errors import UsageError
from ci.model import Build
from tests.deploy.packages import a_package

PATH = "/var/lib/virtci/packages/a.rpm"


def host(*programs: str, systemd: bool = True) -> HostFacts:
    return HostFacts(
        distribution="test",
        programs=frozenset(programs),
        systemd=systemd,
        kernel="6.1",
        arch="x86_64",
        boot_id="b",
    )


SUSE = host("zypper", "rpm", "ldconfig", "systemctl")
FEDORA = host("dnf", "rpm", "ldconfig", "systemctl")
DEBIAN = host("rpm", "dpkg", "ldconfig", "zypper", systemd=False)


def test_zypper_installs_in_one_transaction_even_older_packages() -> None:
    (argv,) = install_commands(DeployPlan(), SUSE, [PATH, "/b.rpm"])
    assert argv[0] == "zypper"
    assert argv[-2:] == (PATH, "/b.rpm")
    assert {"--non-interactive", "--oldpackage", "--allow-vendor-change"} <= set(argv)


def test_managers_of_repositories_get_exactly_the_packages_of_the_run() -> None:
    rpm = msgspec.structs.replace(a_package("a"), epoch=2)
    want = f"2:{rpm.version}-{rpm.release}"
    (zypper,) = install_commands(DeployPlan(), SUSE, [PATH], [rpm])
    assert zypper[-1] == f"a.x86_64={want}"
    assert zypper[zypper.index("--plus-repo") + 1] == "dir:///var/lib/virtci/packages"
    (dnf,) = install_commands(DeployPlan(), FEDORA, [PATH], [rpm])
    assert dnf[-2:] == ("install", f"a-{want}.x86_64")
    assert dnf[dnf.index("--repofrompath") + 1].endswith(",file:///var/lib/virtci/packages")
    assert "--cacheonly" not in dnf


def test_files_are_installed_where_the_plan_or_the_manager_wants_files() -> None:
    rpm = a_package("a")
    (argv,) = install_commands(DeployPlan(repository=False), SUSE, [PATH], [rpm])
    assert argv[-1] == PATH
    assert "--plus-repo" not in argv
    assert install_commands(DeployPlan(), DEBIAN, [PATH], [rpm])[0][-1] == PATH


def test_a_vendor_change_happens_only_when_allowed() -> None:
    (argv,) = install_commands(DeployPlan(vendor_change=False), SUSE, [PATH])
    assert "--allow-vendor-change" not in argv


def test_dnf_is_taken_where_it_is() -> None:
    (argv,) = install_commands(DeployPlan(), FEDORA, [PATH])
    assert argv[0] == "dnf"


def test_a_foreign_host_gets_rpm_without_dependencies() -> None:
    assert install_commands(DeployPlan(), DEBIAN, [PATH]) == (
        ("rpm", "-Uvh", "--nodeps", "--force", "--oldpackage", PATH),
        ("ldconfig",),
    )


def test_dependencies_are_checked_where_the_plan_wants_it() -> None:
    (argv, _) = install_commands(DeployPlan(nodeps="no"), DEBIAN, [PATH])
    assert argv == ("rpm", "-Uvh", "--replacepkgs", "--oldpackage", PATH)


def test_another_root_is_left_alone_by_ldconfig() -> None:
    (argv,) = install_commands(DeployPlan(root="/mnt", manager="rpm"), SUSE, [PATH])
    assert argv[:3] == ("rpm", "--root", "/mnt")


def test_a_manager_that_is_not_there_is_named() -> None:
    with pytest.raises(UsageError, match=r"deploy.manager: dnf is not on the host"):
        install_commands(DeployPlan(manager="dnf"), SUSE, [PATH])


def test_a_host_without_rpm_is_refused() -> None:
    with pytest.raises(UsageError, match="has no rpm"):
        install_commands(DeployPlan(), host("dpkg"), [PATH])


def test_systemd_restarts_the_watched_daemons() -> None:
    assert restart_commands(DeployPlan(watch=("virtxend",)), SUSE) == (
        ("systemctl", "daemon-reload"),
        ("systemctl", "restart", "virtxend.service"),
    )
    assert restart_commands(DeployPlan(restart=("a.service",)), SUSE)[1][2:] == ("a.service",)


def test_a_host_without_systemd_has_its_own_way() -> None:
    ours = host("rpm", RESTART_PROGRAM, systemd=False)
    assert restart_commands(DeployPlan(), ours) == ((RESTART_PROGRAM,),)
    plan = DeployPlan(restart_command=("/sbin/rc", "restart"))
    assert restart_commands(plan, ours) == (("/sbin/rc", "restart"),)
    with pytest.raises(UsageError, match="runs no systemd") as caught:
        restart_commands(DeployPlan(), DEBIAN)
    assert "deploy.restart_command" in caught.value.hint


def test_nothing_is_restarted_when_nothing_is_watched() -> None:
    assert restart_commands(DeployPlan(watch=()), DEBIAN) == ()


def test_debug_information_is_installed_only_when_wanted() -> None:
    rpms = (a_package("a"), a_package("a-debuginfo", debug=True))
    build = Build(kind="test", revision="r", rpms=rpms)
    assert DeployPlan().chosen(build) == rpms[:1]
    assert DeployPlan(debuginfo=True).chosen(build) == rpms


def test_facts_come_out_of_one_answer() -> None:
    text = (
        "program rpm\nprogram dpkg\nsystemd yes\nboot 41bf\nkernel 6.1.0-56-amd64\narch x86_64\n"
        'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n'
    )
    facts = parse_host_facts(text)
    assert facts is not None
    assert facts.foreign
    assert (facts.distribution, facts.systemd, facts.boot_id) == ("debian", True, "41bf")
    assert parse_host_facts("This account is not available\n") is None
