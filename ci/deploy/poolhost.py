"""Host kind ``pool``: any machine of a hosts file that does, leased for the time of the run."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Annotated, Self

import msgspec
from msgspec import Meta

from ci.deadline import Deadline
from ci.deploy.boot import BOOT_ID
from ci.deploy.choose import lease_one, survey
from ci.deploy.console_record import Recorders
from ci.deploy.heartbeat import Heartbeats
from ci.deploy.identity import check_identity
from ci.deploy.idle import IDLE
from ci.deploy.lease import Leases
from ci.deploy.pool import PooledHost, load_hosts, named
from ci.deploy.require import compiled
from ci.deploy.ssh_errors import SshTarget, target_of
from ci.deploy.sshshell import SshShell
from ci.errors import UsageError, VirtciError
from ci.model import Access, Record
from ci.run import Step
from ci.shell import must

GIVE_BACK_SECONDS = 60.0
# What keeps a lease alive outlives the step that took it, and ends with the process.
_HEARTBEATS = Heartbeats()
_RECORDERS = Recorders()


class PoolHost(Record, frozen=True, kw_only=True, tag_field="kind", tag="pool"):
    """``[[hosts]] kind = "pool"``: ``file`` is a hosts file, relative to the plan.

    Without a heartbeat a lease ends after ``lease_seconds``.
    """

    name: str
    file: str = "hosts.toml"
    require: str = ""
    wait_minutes: Annotated[int, Meta(ge=0)] = 60
    lease_seconds: Annotated[int, Meta(ge=20)] = 300

    def __post_init__(self) -> None:
        if self.require.strip():
            try:
                compiled(self.require)
            except VirtciError as error:
                raise ValueError(error.message) from None

    def located(self, base: Path) -> Self:
        file = str(base / Path(self.file).expanduser())
        return msgspec.structs.replace(self, file=file)

    def decided(self) -> tuple[str, ...]:
        what = f'that fits "{self.require}"' if self.require.strip() else "there is"
        return (
            f"lease the first host of {self.file} {what}, waiting at most {self.wait_minutes} min",
            "see that it is the machine that was enrolled, and that it is well",
        )

    def acquire(self, step: Step) -> Access:
        """Lease a host and keep the lease alive. Raises InfraError when none can be had."""
        path = Path(self.file)
        found = survey(load_hosts(path), self.require, path, step.deadline)
        host, lease = lease_one(
            found,
            purpose=step.run_folder.name,
            seconds=self.lease_seconds,
            deadline=step.deadline.within(self.wait_minutes * 60.0),
            say=step.say,
        )
        target = host.ssh(Path()).target()
        _HEARTBEATS.start(target, lease.token, self.lease_seconds)
        with ExitStack() as on_failure:
            on_failure.callback(_give_back, target, lease.token)
            with SshShell(target) as shell:
                check_identity(shell, host, step.deadline)
            step.say(f"leased {host.name}, token {lease.token}")
            access = host.ssh(Path()).acquire(step)
            on_failure.pop_all()
        console = _record(host, step.folder / "console.log")
        return msgspec.structs.replace(access, lease=lease.token, console=console)

    def still_up(self, access: Access, deadline: Deadline) -> bool:
        """Whether the lease is still ours and the host was not booted since."""
        try:
            with SshShell(target_of(access)) as shell:
                if must(shell, BOOT_ID, deadline).strip() != access.boot_id:
                    return False
                Leases(shell).renew(access.lease, self.lease_seconds, deadline)
        except VirtciError:
            return False
        _HEARTBEATS.start(target_of(access), access.lease, self.lease_seconds)
        if access.console:
            host = named(load_hosts(Path(self.file)), access.name)
            _record(host, Path(access.console))
        return True

    def release(self, access: Access, deadline: Deadline) -> None:
        """Give the host back; a lease that was lost meanwhile is left alone."""
        _RECORDERS.stop(access.console)
        _give_back(target_of(access), access.lease, deadline)


def _record(host: PooledHost, path: Path) -> str:
    """Record its console, where its power switch has one; the file's name, or ""."""
    try:
        switch = host.power.console() if host.power else None
    except UsageError:
        return ""
    if switch is None:
        return ""
    _RECORDERS.start(switch, path)
    return str(path)


def _give_back(target: SshTarget, token: int, deadline: Deadline | None = None) -> None:
    """A host that cannot be reached any more keeps the lease until it expires."""
    _HEARTBEATS.stop(target, token)
    with suppress(VirtciError), SshShell(target) as shell:
        Leases(shell).release(token, deadline or Deadline.after(GIVE_BACK_SECONDS))
    IDLE.forget(target)
