"""Host kind ``nested``: a real Xen or KVM host inside QEMU on this machine, of an image of ours."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Self

import msgspec

from ci.deadline import Deadline
from ci.errors import InfraError, VirtciError
from ci.model import Access, Record
from ci.nested import accel, elsewhere, process
from ci.nested.entry import local_power, write_entry
from ci.nested.image import Image, Say, build_image
from ci.nested.local_boot import PORT_TRIES, await_libvirt, end, explain_port, free_port, launched
from ci.nested.outer import Outer
from ci.nested.outer_boot import Wanted
from ci.nested.qemu import Machine
from ci.nested.reach import LOOPBACK, USER, access_to
from ci.nested.recipe import Flavour, image_recipe
from ci.nested.wire import HIGHEST, Wire
from ci.run import Step
from ci.shell import LocalShell, Shell
from ci.ssh_uri import ssh_argv

KVM_BOOT_SECONDS = 60.0
_BOOT_ID = "/proc/sys/kernel/random/boot_id"

Mebibytes = Annotated[int, msgspec.Meta(ge=256, le=65536)]
Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]


class NestedHost(Record, frozen=True, kw_only=True, tag_field="kind", tag="nested"):
    """``[[hosts]] kind = "nested"``. ``ssh_port`` 0 is any free one; the host is ended by itself
    after ``minutes_to_live``. With ``outer`` it is booted there, by libvirt. Hosts of a run that
    have a number on the ``wire`` see each other: they migrate guests."""

    name: str = "nested"
    hypervisor: Flavour = "xen"
    memory_mib: Mebibytes = 1536
    dom0_mib: Mebibytes = 768
    cpus: Annotated[int, msgspec.Meta(ge=1, le=32)] = 1
    ssh_port: Port = 0
    boot_seconds: Annotated[int, msgspec.Meta(ge=10)] = 180
    minutes_to_live: Annotated[int, msgspec.Meta(ge=1)] = 240
    wire: Annotated[int, msgspec.Meta(ge=0, le=HIGHEST)] = 0
    outer: Outer | None = None

    def __post_init__(self) -> None:
        if self.wire and self.outer:
            raise ValueError("a wire joins hosts of this machine, and this one is on an outer host")
        if self.hypervisor == "xen" and self.dom0_mib + 256 > self.memory_mib:
            raise ValueError(
                f"dom0_mib = {self.dom0_mib} leaves no room for guests in "
                f"memory_mib = {self.memory_mib}; at least 256 MiB must be left"
            )

    def located(self, base: Path) -> Self:
        """With the outer host's files as absolute paths."""
        return msgspec.structs.replace(self, outer=self.outer and self.outer.located(base))

    def decided(self) -> tuple[str, ...]:
        recipe = image_recipe(self.hypervisor)
        what = f"Xen {recipe.xen_version}" if recipe.xen_version else "KVM"
        dom0 = f", of them {self.dom0_mib} for dom0" if recipe.xen_version else ""
        build = f"build a {what} host on Debian {recipe.suite} unless it is cached"
        if self.outer:
            return (
                build,
                f"upload it to {self.outer.jump.address}:{self.outer.place} unless it is there",
                f"boot it by {self.outer.uri}: {self.memory_mib} MiB{dom0}",
                f"KVM ({self.outer.cpu}) if it is there with nested on, else TCG; SSH through it",
            )
        return (
            build,
            f"boot it in QEMU: {self.memory_mib} MiB{dom0}",
            f"SSH on {LOOPBACK}:{self.ssh_port or 'any free port'}; KVM if it works, else TCG",
            *((f"number {self.wire} on the wire with others of this run",) if self.wire else ()),
        )

    def prepare(self, shell: Shell, deadline: Deadline, *, say: Say) -> None:
        """Build the image unless it is there, for whoever acquires this host later."""
        build_image(shell, deadline, say=say, flavour=self.hypervisor)

    def acquire(self, step: Step) -> Access:
        """Boot the host and wait until its libvirtd answers. The image is built if need be.

        Raises InfraError with the console's tail when it does not come up, and then ends it.
        """
        if wanted := self.wanted:
            return elsewhere.acquire(wanted, step)
        image = build_image(step.shell, step.deadline, say=step.say, flavour=self.hypervisor)
        accelerator = accel.best(step.shell, step.deadline)
        if accelerator == "kvm":
            try:
                return self._boot(image, "kvm", min(self.boot_seconds, KVM_BOOT_SECONDS), step)
            except InfraError as error:
                step.say(f"no use of KVM, going on without: {error.message}")
                accel.distrust_kvm()
        return self._boot(image, "tcg", self.boot_seconds, step)

    def still_up(self, access: Access, deadline: Deadline) -> bool:
        """Whether this very boot of the host runs and can be reached."""
        if wanted := self.wanted:
            return elsewhere.still_up(access, wanted, deadline)
        if not process.is_ours(access.pid, _pidfile(access)):
            return False
        try:
            done = LocalShell().run(ssh_argv(access, "cat", _BOOT_ID), deadline)
        except VirtciError:
            return False
        return done.ok and done.stdout.strip() == access.boot_id

    def release(self, access: Access, deadline: Deadline) -> None:
        """End the host; nothing happens when it is gone."""
        if wanted := self.wanted:
            elsewhere.release(access, wanted, deadline)
            return
        process.end(_pidfile(access), deadline)

    @property
    def wanted(self) -> Wanted | None:
        """The same as its outer host is told; None on this machine."""
        if self.outer is None:
            return None
        return Wanted(
            name=self.name,
            flavour=self.hypervisor,
            outer=self.outer,
            memory_mib=self.memory_mib,
            dom0_mib=self.dom0_mib,
            cpus=self.cpus,
            port=self.ssh_port,
            boot_seconds=self.boot_seconds,
            seconds_to_live=self.minutes_to_live * 60,
        )

    def _boot(
        self, image: Image, accelerator: accel.Accelerator, seconds: float, step: Step
    ) -> Access:
        for attempt in range(1, PORT_TRIES + 1):
            port = self.ssh_port or free_port()
            machine = self._machine(image, accelerator, port, step)
            if process.end(machine.pidfile, step.deadline):
                step.say("ended the QEMU that an interrupted run had left in this folder")
            step.say(f"booting {image.key} with {accelerator}, SSH on {LOOPBACK}:{port}")
            if launched(machine, step.shell, step.deadline):
                return self._come_up(machine, step, seconds)
            explain_port(self.ssh_port, port, attempt)
        raise AssertionError("the last attempt returns or raises")

    def _machine(
        self, image: Image, accelerator: accel.Accelerator, port: int, step: Step
    ) -> Machine:
        return Machine(
            name=self.name,
            image=image,
            accelerator=accelerator,
            memory_mib=self.memory_mib,
            dom0_mib=self.dom0_mib,
            cpus=self.cpus,
            port=port,
            folder=str(step.folder),
            seconds_to_live=self.minutes_to_live * 60,
            wire=Wire(number=self.wire, among=str(step.run_folder)) if self.wire else None,
        )

    def _come_up(self, machine: Machine, step: Step, seconds: float) -> Access:
        with ExitStack() as on_failure:
            on_failure.callback(end, machine)
            access = access_to(
                self.name,
                self.hypervisor,
                machine.image,
                port=machine.port,
                folder=step.folder,
                console=machine.console,
            )
            limit = step.deadline.within(seconds)
            boot_id = await_libvirt(machine, access, step.shell, limit)
            pid = process.running(machine.pidfile)[0]
            on_failure.pop_all()
        write_entry(step.folder, access, machine.uuid, local_power(machine))
        step.say(f"{self.name} is up: ssh {USER}@{LOOPBACK} -p {machine.port}")
        return msgspec.structs.replace(
            access, boot_id=boot_id, pid=pid, emulated=machine.accelerator == "tcg"
        )


def _pidfile(access: Access) -> Path:
    return Path(access.console).with_name("qemu.pid")
