"""Nested hosts on an outer host: through its libvirt, its SSH, and no port that others see."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from ci import places
from ci.deadline import Deadline
from ci.deploy.ssh_errors import target_of
from ci.deploy.sshshell import SshShell
from ci.errors import InfraError, VirtciError
from ci.model import Access
from ci.nested.console_copy import COPIES, ConsoleCopy
from ci.nested.domain import domain_name
from ci.nested.hosting import Hosting
from ci.nested.image import build_image
from ci.nested.outer_boot import CATCH_UP_SECONDS, OuterBoot, Wanted, copy_of
from ci.nested.outer_facts import OuterFacts, Processor, emulated, look_at_outer, processor_for
from ci.run import Step
from ci.shell import must

KVM_BOOT_SECONDS = 90.0
BOOT_ID = ("cat", "/proc/sys/kernel/random/boot_id")


def acquire(wanted: Wanted, step: Step) -> Access:
    """Boot it there, with KVM if that does. The image is built here and uploaded if need be."""
    image = build_image(step.shell, step.deadline, say=step.say, flavour=wanted.flavour)
    with SshShell(wanted.outer.target()) as shell:
        facts = look_at_outer(shell, wanted.outer, step.deadline)
        processor = _processor(wanted, facts)
        step.say(f"{shell.where}: {processor.why}")
        hosting = Hosting(shell, wanted.outer, domain_name(wanted.name, step.folder))
        there = hosting.put_image(image, step.deadline, say=step.say)
        boot = OuterBoot(wanted, hosting, image, there, facts, step)
        if processor.accelerator == "kvm":
            try:
                return boot.up(processor, min(wanted.boot_seconds, KVM_BOOT_SECONDS))
            except InfraError as error:
                step.say(f"no use of KVM there, going on without: {error.message}")
                _distrust(facts).touch()
        return boot.up(_processor(wanted, facts), wanted.boot_seconds)


def still_up(access: Access, wanted: Wanted, deadline: Deadline) -> bool:
    """Whether this very boot runs and can be reached; its console is copied on, then."""
    with suppress(VirtciError):
        _copy(access, wanted).catch_up(deadline.within(CATCH_UP_SECONDS))
    try:
        with SshShell(target_of(access)) as shell:
            return must(shell, BOOT_ID, deadline).strip() == access.boot_id
    except VirtciError:
        return False


def release(access: Access, wanted: Wanted, deadline: Deadline) -> None:
    """End it. An outer host that cannot be reached ends it by itself, in time."""
    _copy(access, wanted)
    COPIES.stop(Path(access.console))
    with suppress(VirtciError), SshShell(wanted.outer.target()) as shell:
        Hosting(shell, wanted.outer, _domain(access, wanted)).end(deadline)


def _domain(access: Access, wanted: Wanted) -> str:
    return domain_name(wanted.name, Path(access.console).parent)


def _copy(access: Access, wanted: Wanted) -> ConsoleCopy:
    remote = f"{wanted.outer.place}/hosts/{_domain(access, wanted)}/console.log"
    return copy_of(wanted.outer, remote, Path(access.console))


def _processor(wanted: Wanted, facts: OuterFacts) -> Processor:
    if _distrust(facts).exists():
        return emulated(wanted.flavour, "its KVM was tried since it was booted, and failed")
    return processor_for(facts, wanted.outer, wanted.flavour)


def _distrust(facts: OuterFacts) -> Path:
    """It exists when KVM of this boot of an outer host does not do."""
    return places.cache_folder("probes") / f"no-kvm-{facts.boot_id}"
