"""The operations that scenarios are made of: each acts, then proves that it happened."""

from __future__ import annotations

from collections.abc import Callable

from suites.stress.guest import Guest
from suites.stress.operations import (
    chatter,
    daemon,
    devices,
    job,
    lifecycle,
    memory,
    migration,
    snapshot,
)
from suites.stress.step import Step

OPERATIONS: dict[str, Callable[[Guest, Step], None]] = {
    "create": lifecycle.create,
    "define": lifecycle.define,
    "start": lifecycle.start,
    "alive": lifecycle.alive,
    "beat": lifecycle.beat,
    "reboot": lifecycle.reboot,
    "shutdown": lifecycle.shutdown,
    "destroy": lifecycle.destroy,
    "undefine": lifecycle.undefine,
    "suspend": lifecycle.suspend,
    "silent": lifecycle.silent,
    "resume": lifecycle.resume,
    "pause": lifecycle.pause,
    "save": memory.save,
    "restore": memory.restore,
    "managed_save": memory.managed_save,
    "set_memory": memory.set_memory,
    "set_vcpus": memory.set_vcpus,
    "attach_disk": devices.attach_disk,
    "detach_disk": devices.detach_disk,
    "attach_nic": devices.attach_nic,
    "detach_nic": devices.detach_nic,
    "snapshot_disk": snapshot.image,
    "snapshot": snapshot.take,
    "revert": snapshot.revert,
    "delete_snapshot": snapshot.delete,
    "restart_daemon": daemon.restart,
    "migrate": migration.migrate,
    "migrate_stopped": migration.migrate_stopped,
    "abort_job": job.abort,
    "chatter": chatter.chatter,
}
"""By the name that scenarios use."""
