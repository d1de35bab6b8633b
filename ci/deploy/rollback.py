"""Back to the packages that were there before: decided from the recorded set, then done."""

from __future__ import annotations

from ci.deadline import Deadline
from ci.deploy.host_facts import HostFacts
from ci.deploy.install import PACKAGES, installed_packages
from ci.errors import InfraError, UsageError
from ci.facts import package_diff
from ci.shell import Argv, Shell


def rollback_commands(
    facts: HostFacts, before: tuple[str, ...], now: tuple[str, ...], kept: tuple[str, ...] = ()
) -> tuple[Argv, ...]:
    """One transaction from the packages of now to those of before; none when they are the same.

    ``kept`` are the package files on the host, from which rpm takes what it has no repository for.
    Raises UsageError when a package of before cannot be had again.
    """
    diff = package_diff(now, before)
    back = (*diff.added, *(change.split(" -> ")[1] for change in diff.changed))
    if not back and not diff.removed:
        return ()
    if "zypper" in facts.programs and not facts.foreign:
        wanted = (*back, *(f"-{nevra}" for nevra in diff.removed))
        return (("zypper", "--non-interactive", "install", "--oldpackage", "--force", *wanted),)
    if "dnf" in facts.programs and not facts.foreign:
        return tuple(
            ("dnf", "--assumeyes", verb, *nevras)
            for verb, nevras in (("install", back), ("remove", diff.removed))
            if nevras
        )
    return _with_rpm(facts, back, diff.removed, kept)


def _with_rpm(
    facts: HostFacts, back: tuple[str, ...], gone: tuple[str, ...], kept: tuple[str, ...]
) -> tuple[Argv, ...]:
    files = {path.rsplit("/", 1)[1].removesuffix(".rpm"): path for path in kept}
    paths = [files.get(_file_name(nevra), "") for nevra in back]
    if not all(paths):
        missing = back[paths.index("")]
        raise UsageError(
            f"{missing} cannot be had again: it is in no repository, nor in {PACKAGES} of the host",
            hint="put the package there, or install the host anew",
        )
    force = ("--nodeps", "--force") if facts.foreign else ("--force",)
    commands: list[Argv] = []
    if paths:
        commands.append(("rpm", "-Uvh", *force, "--oldpackage", *paths))
    if gone:
        nodeps = ("--nodeps",) if facts.foreign else ()
        commands.append(("rpm", "-e", *nodeps, *gone))
    return tuple(commands)


def _file_name(nevra: str) -> str:
    """A package's file name has no epoch."""
    name, _, rest = nevra.rpartition("-")
    name, _, version = name.rpartition("-")
    return f"{name}-{version.rpartition(':')[2]}-{rest}"


def kept_files(shell: Shell, deadline: Deadline) -> tuple[str, ...]:
    """The package files that earlier deployments left on the host."""
    done = shell.run(("find", PACKAGES, "-name", "*.rpm", "-type", "f"), deadline)
    return tuple(sorted(done.stdout.splitlines()))


def roll_back(
    shell: Shell, facts: HostFacts, before: tuple[str, ...], deadline: Deadline
) -> tuple[Argv, ...]:
    """Do it, and see that the set is as it was. Returns the commands that were run."""
    now = installed_packages(shell, deadline)
    commands = rollback_commands(facts, before, now, kept_files(shell, deadline))
    for argv in commands:
        done = shell.run(argv, deadline, env={"LC_ALL": "C"})
        if not done.ok:
            raise InfraError(
                f"the way back on {shell.where} is blocked: {argv[0]} ended with {done.status}",
                hint="install the host anew",
                detail=done.tail(),
            )
    after = installed_packages(shell, deadline)
    if rest := package_diff(before, after).lines():
        raise InfraError(
            f"{shell.where} has other packages than before after all", detail="\n".join(rest)
        )
    return commands
