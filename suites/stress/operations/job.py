"""Aborting a job in the middle."""

from __future__ import annotations

import threading

import libvirt

from ci.errors import ProductError
from suites.stress.guest import Guest
from suites.stress.step import Step

JOB_SECONDS = 120.0
ABORTED = (libvirt.VIR_ERR_OPERATION_ABORTED, libvirt.VIR_ERR_OPERATION_FAILED)


def abort(guest: Guest, step: Step) -> None:
    """Begin a save, abort it ``seconds`` later; the guest must go on (or be saved: too late)."""
    errors: list[libvirt.libvirtError | None] = []

    def begin() -> None:
        try:
            guest.domain.save(guest.save_path)
            errors.append(None)
        except libvirt.libvirtError as error:
            errors.append(error)

    saving = threading.Thread(target=begin, daemon=True)
    saving.start()
    saving.join(step.seconds)
    try:
        guest.call(guest.domain.abortJob)
    except libvirt.libvirtError as error:
        if error.get_error_code() not in (
            libvirt.VIR_ERR_OPERATION_INVALID,
            libvirt.VIR_ERR_NO_DOMAIN,
        ):
            raise
    saving.join(JOB_SECONDS)
    if saving.is_alive():
        raise ProductError(f"{guest.name}: the save that was aborted did not return")
    _go_on(guest, errors[0])


def _go_on(guest: Guest, error: libvirt.libvirtError | None) -> None:
    if error is None:  # it was saved before the abort came
        guest.done += ("save",)
        guest.call(guest.connection.raw.restore, guest.save_path, seconds=JOB_SECONDS)
        guest.done += ("restore",)
        guest.find()
        guest.anew()
    elif error.get_error_code() in ABORTED:
        guest.done += ("abort_job",)
    else:
        raise error
