"""Bringing a nested host up on an outer host, until its libvirt answers through it."""

from __future__ import annotations

import secrets
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ci.deadline import Deadline, wait_until
from ci.deploy.power import LibvirtPower
from ci.deploy.ssh_errors import target_of
from ci.deploy.sshshell import SshShell
from ci.errors import InfraError, UsageError, VirtciError
from ci.model import Access, Record
from ci.nested.console_copy import COPIES, ConsoleCopy
from ci.nested.domain import Domain, domain_uuid, domain_xml
from ci.nested.entry import write_entry
from ci.nested.hosting import Hosting
from ci.nested.image import Image
from ci.nested.outer import Outer
from ci.nested.outer_facts import OuterFacts, Processor
from ci.nested.reach import LOOPBACK, access_to
from ci.nested.recipe import Flavour
from ci.run import Step
from ci.shell import must
from ci.ssh_uri import write_ssh_command

PORTS = range(20000, 60000)
PORT_TRIES = 5
PORT_TAKEN = "Could not set up host forwarding rule"
READY = ("/usr/lib/virtci/ready",)
ANSWER_SECONDS = 25.0
END_SECONDS = 60.0
CATCH_UP_SECONDS = 10.0
TAIL_LINES = 30


class Wanted(Record, frozen=True, kw_only=True):
    """A nested host as it is wanted on ``outer``; ``port`` 0 is any free one there."""

    name: str
    flavour: Flavour
    outer: Outer
    memory_mib: int
    dom0_mib: int
    cpus: int
    port: int
    boot_seconds: int
    seconds_to_live: int


@dataclass(frozen=True)
class OuterBoot:
    """A boot of one nested host. ``image`` is ours, ``there`` its folder on the outer host."""

    wanted: Wanted
    hosting: Hosting
    image: Image
    there: str
    facts: OuterFacts
    step: Step

    def up(self, processor: Processor, seconds: float) -> Access:
        """Raises InfraError with the console's tail when it does not come up, and then ends it."""
        with ExitStack() as on_failure:
            on_failure.callback(self._end)
            domain = self._started(processor)
            access = self._access(domain)
            copy = copy_of(self.wanted.outer, domain.console, self._console)
            boot_id = self._await_libvirt(access, copy, self.step.deadline.within(seconds))
            on_failure.pop_all()
        write_entry(self.step.folder, access, domain_uuid(domain.name), self._power())
        self.step.say(f"{self.wanted.name} is up behind {self.hosting.shell.where}")
        return msgspec.structs.replace(access, boot_id=boot_id)

    def _power(self) -> LibvirtPower:
        """The switch below it: its domain's reset, destroy and start, and its console."""
        outer = self.wanted.outer
        command = write_ssh_command(
            self.step.folder, key=outer.key, known_hosts=outer.known_hosts, name="ssh-outer"
        )
        return LibvirtPower(uri=outer.uri_through(command), domain=self.hosting.name)

    @property
    def _console(self) -> Path:
        return self.step.folder / "console.log"

    def _end(self) -> None:
        """End what did not come up, whatever is left of the step's time."""
        COPIES.stop(self._console)
        with suppress(VirtciError):
            self.hosting.end(Deadline.after(END_SECONDS))

    def _started(self, processor: Processor) -> Domain:
        deadline = self.step.deadline
        if removed := self.hosting.begin(self.image, self.wanted.seconds_to_live, deadline):
            self.step.say(f"on {self.hosting.shell.where}: {removed}")
        for _ in range(PORT_TRIES):
            domain = self._domain(processor, self.wanted.port or secrets.choice(PORTS))
            self.step.say(f"booting {self.image.key} there with {processor.accelerator}")
            done = self.hosting.start(domain_xml(domain), deadline)
            if done.ok:
                return domain
            if PORT_TAKEN not in done.tail():
                message = f"libvirt of {self.hosting.shell.where} does not start the nested host"
                raise InfraError(f"{message} {self.wanted.name}", detail=done.tail(10))
            if self.wanted.port:
                raise UsageError(
                    f"port {domain.port} of {LOOPBACK} is taken on {self.hosting.shell.where}",
                    hint="leave ssh_port out of the plan, then any free port is used",
                )
        raise InfraError(f"{PORT_TRIES} ports of {self.hosting.shell.where} were all taken")

    def _domain(self, processor: Processor, port: int) -> Domain:
        return Domain(
            name=self.hosting.name,
            title=f"nested host {self.wanted.name} of a run of virtci",
            image=msgspec.structs.replace(self.image, folder=self.there),
            processor=processor,
            memory_mib=self.wanted.memory_mib,
            dom0_mib=self.wanted.dom0_mib,
            cpus=self.wanted.cpus,
            port=port,
            folder=self.hosting.folder,
            confined=self.facts.confined,
        )

    def _access(self, domain: Domain) -> Access:
        access = access_to(
            self.wanted.name,
            self.wanted.flavour,
            self.image,
            port=domain.port,
            folder=self.step.folder,
            console=self._console,
            through=self.wanted.outer.jump,
        )
        emulated = domain.processor.accelerator == "tcg"
        return msgspec.structs.replace(access, emulated=emulated)

    def _await_libvirt(self, access: Access, copy: ConsoleCopy, deadline: Deadline) -> str:
        """The boot id that it tells over SSH once its libvirtd answers."""
        try:
            with SshShell(target_of(access)) as shell:
                wait_until(
                    "SSH of the nested host",
                    lambda: self._answers(shell, deadline),
                    deadline,
                    every=1.0,
                )
                said = must(shell, READY, deadline)
        except InfraError as error:
            raise self._not_up(copy, error) from None
        facts = dict(line.split(" ", 1) for line in said.splitlines() if " " in line)
        return facts["boot_id"].strip()

    def _answers(self, shell: SshShell, deadline: Deadline) -> bool:
        """Whether it lets us in. Raises InfraError when the domain has ended."""
        if (state := self.hosting.state(self.step.deadline)) != "running":
            raise InfraError(f"its domain is {state or 'gone'}")
        try:
            return shell.run(("true",), deadline.within(ANSWER_SECONDS)).ok
        except InfraError:
            return False

    def _not_up(self, copy: ConsoleCopy, error: InfraError) -> InfraError:
        with suppress(VirtciError):
            copy.catch_up(Deadline.after(CATCH_UP_SECONDS))
        console = self._console
        text = console.read_text(errors="replace").replace("\r", "") if console.exists() else ""
        return InfraError(
            f"the nested host {self.wanted.name} did not come up on {self.hosting.shell.where}: "
            f"{error.message}",
            hint=f"its whole console is in {console}",
            detail=f"{error.detail}\n{_tail(text)}".strip(),
        )


def copy_of(outer: Outer, remote: str, local: Path) -> ConsoleCopy:
    return COPIES.start(outer.target(), remote, local)


def _tail(text: str) -> str:
    return "\n".join(text.splitlines()[-TAIL_LINES:]) or "the console is empty"
