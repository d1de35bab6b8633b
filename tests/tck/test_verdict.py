"""What an error means for a case."""

from __future__ import annotations

import libvirt
import pytest

from ci.errors import InfraError
from ci.model import Outcome
from suites.hypervisor.api import CallHung, DaemonCrashed
from suites.tck.verdict import Unsupported, refused, verdict


def error(code: int, message: str = "it said so", function: str = "virX") -> libvirt.libvirtError:
    made = libvirt.libvirtError("made")
    made.err = (code, libvirt.VIR_FROM_QEMU, message, libvirt.VIR_ERR_ERROR, "", "", "", 0, 0)
    made.args = (message,)
    made.add_note(function)
    return made


@pytest.mark.parametrize(
    "code",
    [
        libvirt.VIR_ERR_NO_SUPPORT,
        libvirt.VIR_ERR_CONFIG_UNSUPPORTED,
        libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED,
        libvirt.VIR_ERR_OPERATION_UNSUPPORTED,
    ],
)
def test_what_the_driver_does_not_do_is_unsupported_and_names_the_call(code: int) -> None:
    outcome, reason = verdict(error(code), "call")
    assert outcome is Outcome.UNSUPPORTED
    assert reason.startswith("virX: ")


def test_unknown_flags_are_unsupported() -> None:
    made = error(libvirt.VIR_ERR_INVALID_ARG, "unsupported flags (0x4) in function f")
    assert verdict(made, "call")[0] is Outcome.UNSUPPORTED


def test_another_bad_argument_is_a_failure() -> None:
    assert verdict(error(libvirt.VIR_ERR_INVALID_ARG), "call")[0] is Outcome.FAILED


def test_an_error_in_the_set_up_is_broken() -> None:
    assert verdict(error(libvirt.VIR_ERR_INTERNAL_ERROR), "setup")[0] is Outcome.BROKEN


def test_what_the_host_lacks_is_skipped_with_the_reason() -> None:
    made = error(libvirt.VIR_ERR_OPERATION_INVALID, "cgroup CPU controller is not mounted")
    outcome, reason = verdict(made, "call")
    assert outcome is Outcome.SKIPPED
    assert reason.startswith("this host has no control groups")


def test_what_only_root_may_do_is_skipped_on_the_daemon_of_one_user_alone() -> None:
    made = error(libvirt.VIR_ERR_SYSTEM_ERROR, "error creating bridge: Operation not permitted")
    outcome, reason = verdict(made, "call", session=True)
    assert outcome is Outcome.SKIPPED
    assert reason.startswith("this host has no privileges: its daemon is an ordinary user's: virX")
    assert verdict(made, "call")[0] is Outcome.FAILED


def test_what_there_is_not_in_session_mode_is_unsupported() -> None:
    made = error(libvirt.VIR_ERR_OPERATION_INVALID, "Can't define NWFilters in session mode")
    assert verdict(made, "call")[0] is Outcome.UNSUPPORTED


@pytest.mark.parametrize("kind", [DaemonCrashed, CallHung])
@pytest.mark.parametrize("when", ["setup", "call", "teardown"])
def test_a_crash_or_a_hang_is_the_products_in_every_phase(
    kind: type[DaemonCrashed | CallHung], when: str
) -> None:
    assert verdict(kind("virX did it"), when) == (Outcome.FAILED, "virX did it")


def test_a_lab_fault_is_broken_and_says_what_to_do() -> None:
    made = InfraError("no guest", hint="build one")
    assert verdict(made, "call") == (Outcome.BROKEN, "no guest; build one")


def test_an_answer_of_the_case_itself_is_unsupported() -> None:
    assert verdict(Unsupported("no guests"), "setup") == (Outcome.UNSUPPORTED, "no guests")


def test_the_right_refusal_passes() -> None:
    with refused(libvirt.VIR_ERR_OPERATION_INVALID):
        raise error(libvirt.VIR_ERR_OPERATION_INVALID)


def test_another_refusal_fails_and_names_call_and_code() -> None:
    with (
        pytest.raises(AssertionError, match=r"virX: .*\(code 1\) instead of code \(55,\)"),
        refused(libvirt.VIR_ERR_OPERATION_INVALID),
    ):
        raise error(libvirt.VIR_ERR_INTERNAL_ERROR)


def test_no_refusal_fails() -> None:
    with pytest.raises(AssertionError, match="nothing was refused"), refused(8):
        pass


def test_a_missing_call_is_no_refusal() -> None:
    with pytest.raises(libvirt.libvirtError), refused(libvirt.VIR_ERR_OPERATION_INVALID):
        raise error(libvirt.VIR_ERR_NO_SUPPORT)
