"""Installing the built packages: first the commands are decided, then they are run.

The decision is a value (``DeployPlan.commands``), compared in tests and printed by ``--dry-run``.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from ci.codec import fingerprint
from ci.deadline import Deadline
from ci.deploy.host_facts import RESTART_PROGRAM, HostFacts
from ci.deploy.install_errors import explain_failed_install
from ci.errors import InfraError, UsageError
from ci.facts import NEVRA_FORMAT, parse_packages
from ci.model import Build, Record, Rpm
from ci.shell import Argv, Shell

PACKAGES = "/var/lib/virtci/packages"  # our own folder on a host
LIST_PACKAGES: Argv = ("rpm", "-qa", "--qf", NEVRA_FORMAT)

Manager = Literal["auto", "rpm", "zypper", "dnf"]


class DeployPlan(Record, frozen=True, kw_only=True):
    """``[deploy]``: how the packages get onto a host, and what must run them afterwards.

    ``watch`` are the daemons whose running code is proven. ``restart`` are systemd units (default:
    the watched daemons' own); ``restart_command`` is for hosts without systemd. ``nodeps`` is rpm's
    --nodeps --force; "auto" uses them only on a host that another package system owns. With
    ``repository`` zypper and dnf see the packages as a repository for the transaction, without
    it as files. With ``leaks`` what is on the host is compared before and after each suite.
    """

    manager: Manager = "auto"
    nodeps: Literal["auto", "yes", "no"] = "auto"
    debuginfo: bool = False
    vendor_change: bool = True
    repository: bool = True
    watch: tuple[str, ...] = ("libvirtd",)
    restart: tuple[str, ...] = ()
    restart_command: tuple[str, ...] = ()
    root: str = "/"
    leaks: bool = False

    def decided(self) -> tuple[str, ...]:
        """What a deploy would do, for people, as far as it can be told without the host."""
        manager = "the host's package manager" if self.manager == "auto" else self.manager
        debug = "with" if self.debuginfo else "without"
        lines = [
            f"install the packages ({debug} debug information) with {manager}, one transaction"
        ]
        if self.watch:
            lines.append(f"restart {', '.join(self.restart or self.watch)} and wait for an answer")
            lines.append(f"prove by build-id that the new code runs in {', '.join(self.watch)}")
        return tuple(lines)

    def chosen(self, build: Build) -> tuple[Rpm, ...]:
        """The packages of a build that are installed."""
        return tuple(rpm for rpm in build.rpms if self.debuginfo or not rpm.debug)


def remote_path(rpm: Rpm) -> str:
    return posixpath.join(PACKAGES, Path(rpm.path).name)


def uses_repository(plan: DeployPlan, facts: HostFacts) -> bool:
    """Whether the host's manager is one that installs from repositories, and the plan wants it."""
    return plan.repository and _manager(plan, facts) in ("zypper", "dnf")


def install_commands(
    plan: DeployPlan, facts: HostFacts, paths: Sequence[str], rpms: Sequence[Rpm] = ()
) -> tuple[Argv, ...]:
    """One transaction with the host's manager, and the cache of libraries brought up to date.

    With ``rpms`` they are taken from the run's repository on the host, by name, version and
    architecture. Raises UsageError when the host has no such manager.
    """
    manager = _manager(plan, facts)
    of_repository = rpms if uses_repository(plan, facts) else ()
    wanted = _wanted(manager, of_repository) if of_repository else tuple(paths)
    match manager:
        case "zypper":
            transaction = _zypper(plan, wanted, of_repository)
        case "dnf":
            transaction = _dnf(plan, wanted, of_repository)
        case _:
            transaction = _rpm(plan, facts, wanted)
    refresh: tuple[Argv, ...] = (("ldconfig",),) if _needs_ldconfig(plan, facts, manager) else ()
    return (transaction, *refresh)


def _root(plan: DeployPlan, option: str = "--root") -> Argv:
    return () if plan.root == "/" else (option, plan.root)


def _rpm(plan: DeployPlan, facts: HostFacts, wanted: tuple[str, ...]) -> Argv:
    return ("rpm", *_root(plan), "-Uvh", *_rpm_force(plan, facts), "--oldpackage", *wanted)


def _zypper(plan: DeployPlan, wanted: tuple[str, ...], of_repository: Sequence[Rpm]) -> Argv:
    return (
        *("zypper", *_root(plan), "--non-interactive", "--no-refresh", "--no-gpg-checks"),
        *(("--plus-repo", f"dir://{PACKAGES}") if of_repository else ()),
        *("install", "--download-in-advance", "--allow-unsigned-rpm", "--no-recommends"),
        *("--oldpackage", "--force"),
        *(("--allow-vendor-change",) if plan.vendor_change else ()),
        *wanted,
    )


def _dnf(plan: DeployPlan, wanted: tuple[str, ...], of_repository: Sequence[Rpm]) -> Argv:
    return (
        *("dnf", *_root(plan, "--installroot"), "--assumeyes"),
        *("--nogpgcheck", "--setopt=install_weak_deps=False"),
        *(_dnf_repository(of_repository) if of_repository else ("--cacheonly",)),
        *("install", *wanted),
    )


def _wanted(manager: str, rpms: Sequence[Rpm]) -> tuple[str, ...]:
    """Exactly these packages, in the words of the manager."""
    if manager == "zypper":
        return tuple(f"{r.name}.{r.arch}={_epoch(r)}{r.version}-{r.release}" for r in rpms)
    return tuple(f"{r.name}-{_epoch(r)}{r.version}-{r.release}.{r.arch}" for r in rpms)


def _epoch(rpm: Rpm) -> str:
    return f"{rpm.epoch}:" if rpm.epoch else ""


def _dnf_repository(rpms: Sequence[Rpm]) -> Argv:
    """A name of its own for each set of packages: dnf keeps what it knows of a name for a while."""
    name = f"virtci-{fingerprint(_wanted('dnf', rpms))}"
    return ("--repofrompath", f"{name},file://{PACKAGES}", f"--setopt={name}.gpgcheck=0")


def _manager(plan: DeployPlan, facts: HostFacts) -> str:
    if plan.manager != "auto":
        if plan.manager not in facts.programs:
            raise UsageError(
                f"deploy.manager: {plan.manager} is not on the host ({facts.distribution})",
                hint=f"there: {', '.join(sorted(facts.programs)) or 'none of ours'}",
            )
        return plan.manager
    if "rpm" not in facts.programs:
        raise UsageError(
            f"the host ({facts.distribution}) has no rpm, so that packages cannot be installed",
            hint="install rpm there, or use another host",
        )
    if facts.foreign:
        return "rpm"
    return next((name for name in ("zypper", "dnf") if name in facts.programs), "rpm")


def _rpm_force(plan: DeployPlan, facts: HostFacts) -> Argv:
    """On a foreign host rpm knows of no dependency and of no file."""
    if plan.nodeps == "yes" or (plan.nodeps == "auto" and facts.foreign):
        return ("--nodeps", "--force")
    return ("--replacepkgs",)


def _needs_ldconfig(plan: DeployPlan, facts: HostFacts, manager: str) -> bool:
    return manager == "rpm" and plan.root == "/" and "ldconfig" in facts.programs


def restart_commands(plan: DeployPlan, facts: HostFacts) -> tuple[Argv, ...]:
    """How the daemons concerned start anew. Raises UsageError when nobody can tell."""
    if plan.restart_command:
        return (plan.restart_command,)
    if not plan.watch and not plan.restart:
        return ()
    if facts.systemd:
        units = plan.restart or tuple(f"{daemon}.service" for daemon in plan.watch)
        return (("systemctl", "daemon-reload"), ("systemctl", "restart", *units))
    if RESTART_PROGRAM in facts.programs:
        return ((RESTART_PROGRAM,),)
    raise UsageError(
        "the host runs no systemd, so that it is not known how its daemons are restarted",
        hint='say it in the plan: deploy.restart_command = ["/path/of/a/program", ...]',
    )


def installed_packages(shell: Shell, deadline: Deadline, *, root: str = "/") -> tuple[str, ...]:
    """Every package that rpm knows there, as NEVRAs."""
    argv = LIST_PACKAGES if root == "/" else ("rpm", "--root", root, *LIST_PACKAGES[1:])
    done = shell.run(argv, deadline)
    if not done.ok:
        raise InfraError(f"the packages of {shell.where} cannot be listed", detail=done.tail())
    return parse_packages(done.stdout)


def install(shell: Shell, commands: Sequence[Argv], deadline: Deadline, *, log: Path) -> None:
    """Run what was decided. Raises by cause: the packages' fault, the lab's or the login's."""
    for position, argv in enumerate(commands):
        done = shell.run(
            argv,
            deadline,
            env={"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
            log=log.with_suffix(f".{position}.log"),
        )
        if error := explain_failed_install(done, shell.where):
            raise error
