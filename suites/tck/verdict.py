"""What an error means for a case."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import libvirt

from ci.errors import InfraError
from ci.model import Outcome
from suites.hypervisor.api import CallHung, DaemonCrashed
from suites.hypervisor.method import failed_function

# the driver has no such function, or does not do it for this configuration or argument
UNSUPPORTED = frozenset(
    (
        libvirt.VIR_ERR_NO_SUPPORT,
        libvirt.VIR_ERR_CONFIG_UNSUPPORTED,
        libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED,
        libvirt.VIR_ERR_OPERATION_UNSUPPORTED,
    )
)


NO_PRIVILEGES = "privileges: its daemon is an ordinary user's"

# what libvirt says when the machine, not the driver, cannot do something
LACKING = {
    "control groups for libvirt": r"cgroup .*(is not|isn't) (mounted|available)",
    "traffic control of this kind": r"tc qdisc .*qdisc kind is unknown",
    "way to suspend": r"Suspend-to-RAM",
    "socket that carries descriptors: this one leaves the machine": (
        r"file descriptors is not supported on this socket"
    ),
    "SMBIOS tables": r"Host SMBIOS information is not available",
    NO_PRIVILEGES: r"Running as a non-root user",
}
# the same where the daemon is that of one user; elsewhere that is for somebody to look at
LACKING_IN_SESSION = {
    **LACKING,
    NO_PRIVILEGES: r"Running as a non-root user|Operation not permitted",
}


class Unsupported(Exception):  # noqa: N818 - an answer, not an error
    """Raised by a case that finds by other means than an error that the driver cannot do it."""


def is_unsupported(error: libvirt.libvirtError) -> bool:
    """Whether the driver says that it does not do this at all."""
    if error.get_error_code() == libvirt.VIR_ERR_INVALID_ARG:
        return "unsupported flags" in str(error)
    if error.get_error_code() == libvirt.VIR_ERR_OPERATION_INVALID:
        return "in session mode" in str(error)
    return error.get_error_code() in UNSUPPORTED


def lacking(error: libvirt.libvirtError, *, session: bool = False) -> str:
    """What the host does not have although the driver could use it; empty otherwise."""
    text = str(error)
    known = LACKING_IN_SESSION if session else LACKING
    return next((what for what, pattern in known.items() if re.search(pattern, text)), "")


def verdict(error: BaseException, when: str, *, session: bool = False) -> tuple[Outcome, str]:
    """Outcome and reason of a case that ``error`` ended in phase ``when`` (setup, call, teardown).

    A crash or a hang is the product's fault in every phase. ``session``: the daemon is that of one
    user.
    """
    match error:
        case Unsupported():
            return Outcome.UNSUPPORTED, str(error)
        case libvirt.libvirtError() if what := lacking(error, session=session):
            return Outcome.SKIPPED, f"this host has no {what}: {failed_function(error)}: {error}"
        case libvirt.libvirtError() if is_unsupported(error):
            return Outcome.UNSUPPORTED, f"{failed_function(error)}: {error}"
        case DaemonCrashed() | CallHung():
            return Outcome.FAILED, error.message
        case InfraError():
            return Outcome.BROKEN, f"{error.message}; {error.hint}".rstrip("; ")
        case _:
            return Outcome.FAILED if when == "call" else Outcome.BROKEN, _reason(error)


def _reason(error: BaseException) -> str:
    match error:
        case libvirt.libvirtError():
            code, domain = error.get_error_code(), error.get_error_domain()
            return f"{failed_function(error)}: {error} (code {code}, domain {domain})"
        case AssertionError():
            return str(error).strip() or "an assertion failed"
        case _:
            return f"{type(error).__name__}: {error}"


@contextmanager
def refused(*codes: int) -> Iterator[None]:
    """The block has to end in a libvirt error with one of ``codes``, and it has to say why.

    A driver that does not have the call at all raises through, which makes the case unsupported.
    """
    try:
        yield
    except libvirt.libvirtError as error:
        if is_unsupported(error) and error.get_error_code() not in codes:
            raise
        _check_refusal(error, codes)
    else:
        raise AssertionError(f"nothing was refused; code {' or '.join(map(str, codes))} was due")


def _check_refusal(error: libvirt.libvirtError, codes: tuple[int, ...]) -> None:
    code, where = error.get_error_code(), failed_function(error)
    assert code in codes, f"{where}: {error} (code {code}) instead of code {codes}"
    assert error.get_error_message(), f"{where}: no message in the error"
