"""Power switches: what turns a wedged machine off and on. Each gives a command; none runs it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from ci.deadline import Deadline
from ci.errors import InfraError, UsageError
from ci.model import Record
from ci.shell import Argv, Shell

Action = Literal["status", "on", "off", "cycle"]
SWITCH_SECONDS = 90.0


class Switch(Record, frozen=True, kw_only=True):
    """A command for this machine; ``env`` and ``stdin`` carry what may not be an argument.

    ``leave`` is what is typed to leave a console.
    """

    argv: Argv
    leave: str = ""
    env: dict[str, str] = {}
    stdin: str | None = None


class IpmiPower(Record, frozen=True, kw_only=True, tag_field="kind", tag="ipmi"):
    """A BMC, through ipmitool. The password is in an environment variable of this name."""

    address: str
    port: int = 623
    user: str = ""
    password_env: str = "IPMI_PASSWORD"  # noqa: S105 - a name, no password
    interface: Literal["lan", "lanplus"] = "lanplus"

    def switch(self, action: Action) -> Switch:
        return self._asked("chassis", "power", action)

    def console(self) -> Switch:
        """Serial over LAN."""
        return msgspec.structs.replace(self._asked("sol", "activate"), leave="\r~.")

    def _asked(self, *what: str) -> Switch:
        argv = ("ipmitool", "-I", self.interface, "-H", self.address, "-p", str(self.port))
        user = ("-U", self.user) if self.user else ()
        env = {"IPMI_PASSWORD": secret(self.password_env)}
        return Switch(argv=(*argv, *user, "-E", *what), env=env)


class LibvirtPower(Record, frozen=True, kw_only=True, tag_field="kind", tag="libvirt"):
    """A virtual machine of an outer host."""

    uri: str
    domain: str

    def switch(self, action: Action) -> Switch:
        verb = {"status": "domstate", "on": "start", "off": "destroy", "cycle": "reset"}[action]
        return Switch(argv=("virsh", "-c", self.uri, verb, self.domain))

    def console(self) -> Switch:
        argv = ("virsh", "-c", self.uri, "console", "--force", self.domain)
        return Switch(argv=argv, leave="\x1d")


class FencePower(Record, frozen=True, kw_only=True, tag_field="kind", tag="fence"):
    """A fence agent (``fence_ipmilan``, ``fence_apc`` ...). Its options go to its input."""

    agent: str
    options: dict[str, str] = {}
    password_env: str = ""

    def console(self) -> Switch:
        raise UsageError("a fence agent has no console", hint="see the machine's own")

    def switch(self, action: Action) -> Switch:
        verb = "reboot" if action == "cycle" else action
        lines = [f"{key}={value}" for key, value in self.options.items()]
        if self.password_env:
            lines.append(f"password={secret(self.password_env)}")
        return Switch(argv=(self.agent,), stdin="\n".join((*lines, f"action={verb}", "")))


class CommandPower(Record, frozen=True, kw_only=True, tag_field="kind", tag="command"):
    """The user's own commands."""

    on: tuple[str, ...] = ()
    off: tuple[str, ...] = ()
    cycle: tuple[str, ...] = ()
    status: tuple[str, ...] = ()
    console_command: tuple[str, ...] = ()

    def console(self) -> Switch:
        if not self.console_command:
            raise UsageError(
                "the host's power has no command for its console",
                hint='add to the hosts file: power.console_command = ["program", "argument"]',
            )
        return Switch(argv=self.console_command)

    def switch(self, action: Action) -> Switch:
        argv: Argv = {
            "on": self.on,
            "off": self.off,
            "cycle": self.cycle,
            "status": self.status,
        }[action]
        if not argv:
            raise UsageError(
                f'the host\'s power has no command for "{action}"',
                hint=f'add to the hosts file: power.{action} = ["program", "argument"]',
            )
        return Switch(argv=argv)


Power: TypeAlias = IpmiPower | LibvirtPower | FencePower | CommandPower


def secret(name: str) -> str:
    """A secret from the environment; never from a file that others read along with the plan."""
    try:
        return os.environ[name]
    except KeyError:
        raise UsageError(
            f"the environment variable {name} with the password is not set", hint=f"export {name}"
        ) from None


def switch_power(shell: Shell, power: Power, action: Action, deadline: Deadline) -> str:
    """Do it; return what the switch said. Raises InfraError when it refuses."""
    switch = power.switch(action)
    done = shell.run(
        switch.argv, deadline.within(SWITCH_SECONDS), env=switch.env, stdin=switch.stdin
    )
    if not done.ok:
        program = Path(switch.argv[0]).name
        missing = done.status == 127
        raise InfraError(
            f"power {action} failed: {program} "
            + ("is not installed here" if missing else f"ended with status {done.status}"),
            hint=f"apt-get install {program}" if missing else "",
            detail=done.tail(8),
        )
    return done.stdout.strip()
