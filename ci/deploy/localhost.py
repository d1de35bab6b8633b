"""Host kind ``local``: a libvirt connection of this machine, tested as it is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from ci.deadline import Deadline
from ci.errors import InfraError, VirtciError
from ci.model import Access, Record
from ci.run import Step
from ci.shell import LocalShell, must

ANSWER_SECONDS = 60.0


class LocalHost(Record, frozen=True, kw_only=True, tag_field="kind", tag="local"):
    """``[[hosts]] kind = "local"``: ``uri`` is used from here; nothing is ever installed on it."""

    name: str = "local"
    uri: str = "test:///default"
    hypervisor: str = ""

    def located(self, base: Path) -> Self:
        return self

    def decided(self) -> tuple[str, ...]:
        return (f"use {self.uri} of this machine as it is",)

    def acquire(self, step: Step) -> Access:
        """Ask the connection for its hostname. Raises InfraError when it does not answer."""
        return self._look(step.deadline)

    def still_up(self, access: Access, deadline: Deadline) -> bool:
        """Whether the connection still answers on the same boot."""
        try:
            return self._look(deadline) == access
        except VirtciError:
            return False

    def release(self, access: Access, deadline: Deadline) -> None:
        """Nothing to hand back."""

    def _look(self, deadline: Deadline) -> Access:
        argv = ("virsh", "-c", self.uri, "hostname")
        try:
            must(LocalShell(), argv, deadline.within(ANSWER_SECONDS))
        except InfraError as error:
            raise InfraError(
                f"libvirt does not answer on {self.uri}: {error.message}",
                hint="is the daemon running, and is libvirt-clients installed? try: "
                + " ".join(argv),
                detail=error.detail,
            ) from None
        return Access(
            name=self.name,
            address="",
            port=0,
            user="",
            key="",
            known_hosts="",
            hypervisor=self.hypervisor or self.uri.split(":", 1)[0].split("+", 1)[0],
            uri=self.uri,
            boot_id=Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
        )
