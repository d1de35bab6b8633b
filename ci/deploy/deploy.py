"""Putting a build on a host, and proving that it is what runs there."""

from __future__ import annotations

from pathlib import Path

from ci.codec import to_json
from ci.deadline import Deadline
from ci.deploy.daemons import (
    hypervisor_version,
    restart,
    wait_after_install,
    wait_for_answer,
)
from ci.deploy.host_facts import HostFacts, host_facts
from ci.deploy.install import (
    DeployPlan,
    install,
    install_commands,
    installed_packages,
    remote_path,
    restart_commands,
    uses_repository,
)
from ci.deploy.lease import fenced
from ci.deploy.proof import Running, expected_files, prove, running_files
from ci.deploy.repository import offer
from ci.deploy.snapshot import take_snapshot
from ci.deploy.ssh_errors import target_of
from ci.deploy.sshshell import SshShell
from ci.deploy.transfer import HostShell
from ci.errors import ProductError
from ci.facts import LibvirtVersion, PackageChange, package_diff
from ci.model import Access, Build, Deployment, Rpm
from ci.run import Step

GUEST_FOLDER = "/var/lib/virtci/guest"


def deploy(step: Step, settings: DeployPlan, build: Build, access: Access) -> Deployment:
    """Install, restart, prove. Can be cut anywhere and done again.

    Raises ProductError when the packages do not install, start or run; InfraError for the lab.
    """
    with SshShell(target_of(access)) as shell:
        return deploy_over(fenced(shell, access.lease), step, settings, build, access)


def deploy_over(
    shell: HostShell, step: Step, settings: DeployPlan, build: Build, access: Access
) -> Deployment:
    """The same over a connection that is there."""
    rpms = settings.chosen(build)
    facts = host_facts(shell, step.deadline)
    wanted = expected_files(rpms)
    before = running_files(shell, settings.watch, wanted, step.deadline)
    if rpms:
        _install(shell, step, settings, rpms, facts)
    version = _answer(shell, step, settings, access, fresh=bool(rpms))
    after = running_files(shell, settings.watch, wanted, step.deadline)
    modules = prove(
        after, wanted, daemons=settings.watch, hypervisor=access.hypervisor, where=shell.where
    )
    return Deployment(
        host=access.name,
        uri=access.uri,
        installed=tuple(rpm.nevra for rpm in rpms),
        modules=modules,
        changed=changed_paths(before, after),
        kernel=facts.kernel,
        hypervisor_version=hypervisor_version(shell, access.hypervisor, version, step.deadline),
        libvirt_version=version.daemon or version.library if version else "",
        boot_id=facts.boot_id,
    )


def _answer(
    shell: HostShell, step: Step, settings: DeployPlan, access: Access, *, fresh: bool
) -> LibvirtVersion | None:
    """Without watched daemons nobody is asked."""
    if not settings.watch:
        return None
    if fresh:
        return wait_after_install(shell, access.hypervisor, settings.watch, step.deadline)
    return wait_for_answer(shell, access.hypervisor, step.deadline)


def _install(
    shell: HostShell,
    step: Step,
    settings: DeployPlan,
    rpms: tuple[Rpm, ...],
    facts: HostFacts,
) -> None:
    commands = install_commands(settings, facts, [remote_path(rpm) for rpm in rpms], rpms)
    restarts = restart_commands(settings, facts)
    before = installed_packages(shell, step.deadline, root=settings.root)
    sent = shell.put_many([(Path(rpm.path), remote_path(rpm)) for rpm in rpms], step.deadline)
    step.say(f"{len(sent)} of {len(rpms)} packages uploaded")
    if uses_repository(settings, facts):
        offer(step.shell, shell, rpms, step.folder / "repository", step.deadline)
    snapshot = take_snapshot(shell, facts, step.run_folder.name, step.deadline)
    install(shell, commands, step.deadline, log=step.folder / "install")
    after = installed_packages(shell, step.deadline, root=settings.root)
    change = PackageChange(
        before=before,
        after=after,
        difference=package_diff(before, after),
        snapshot=snapshot,
    )
    (step.folder / "packages.json").write_bytes(to_json(change))
    _check_installed(rpms, after, shell.where)
    for line in change.difference.lines():
        step.say(line)
    restart(shell, restarts, settings.watch, step.deadline)


def _check_installed(rpms: tuple[Rpm, ...], installed: tuple[str, ...], where: str) -> None:
    missing = [rpm.nevra for rpm in rpms if rpm.nevra not in installed]
    if missing:
        raise ProductError(
            f"{missing[0]} is not installed on {where} although its installation ended well",
            hint="is a newer or obsoleting package there? see install.0.log",
            detail="\n".join(missing),
        )


def changed_paths(before: tuple[Running, ...], after: tuple[Running, ...]) -> tuple[str, ...]:
    """The files whose running code is another than before."""
    ids = {(file.daemon, file.path): file.build_id for file in before}
    changed = {file.path for file in after if ids.get((file.daemon, file.path)) != file.build_id}
    return tuple(sorted(changed))


def ensure_guest(
    shell: HostShell, kernel: Path, initrd: Path, deadline: Deadline
) -> tuple[str, str]:
    """See that the tiny guest is on the host as it is here; return the two paths there."""
    files = ((kernel, f"{GUEST_FOLDER}/{kernel.name}"), (initrd, f"{GUEST_FOLDER}/{initrd.name}"))
    shell.put_many(files, deadline)
    return files[0][1], files[1][1]
