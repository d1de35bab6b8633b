"""Shutdown, reboot, reset, keys, screenshots, dumps: what is done to a running machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import libvirt
import pytest

from suites.hypervisor.handle import Handle
from suites.tck.domains import CONFIG, LIVE, RUNNING, SHUTOFF, eventually, names, reason, state
from suites.tck.lab import Lab
from suites.tck.live import Guest
from suites.tck.spare import Lend
from suites.tck.verdict import refused

BOOT_SECONDS = 60.0
DEFAULT = libvirt.VIR_DOMAIN_SHUTDOWN_DEFAULT
# what each kind begins with
IMAGES = {"image/x-portable-pixmap": b"P6", "image/png": b"\x89PNG"}
DUMP_BYTES = 4096
NO_SLEEP = (
    libvirt.VIR_ERR_AGENT_UNRESPONSIVE,
    libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED,
    libvirt.VIR_ERR_OPERATION_UNSUPPORTED,
)


@pytest.fixture
def shut_down(lab: Lab, lend: Lend) -> Callable[[int], Handle]:
    """Gives a domain whose guest was asked to shut down in a mode and did, and nothing since.

    To boot one takes seconds: the cases that only look at it look at the same one.
    """

    def ask(mode: int) -> Handle:
        guest = lab.borrow_guest()
        try:
            guest.shut_down(mode)
        finally:
            lab.give_back(guest)
        return guest.domain

    return lambda mode: lend(f"shut down in mode {mode}", lambda: ask(mode))


def test_a_guest_that_is_asked_shuts_down(shut_down: Callable[[int], Handle]) -> None:
    assert state(shut_down(DEFAULT)) == SHUTOFF


def test_a_guest_that_shut_down_says_so(shut_down: Callable[[int], Handle]) -> None:
    assert reason(shut_down(DEFAULT)) == libvirt.VIR_DOMAIN_SHUTOFF_SHUTDOWN


def test_a_guest_that_shut_down_keeps_its_configuration(
    connection: Handle, shut_down: Callable[[int], Handle]
) -> None:
    name = shut_down(DEFAULT).name()
    eventually("it is inactive", lambda: name in connection.listDefinedDomains())


@pytest.mark.parametrize(
    "mode",
    [
        DEFAULT,
        libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN,
        libvirt.VIR_DOMAIN_SHUTDOWN_PARAVIRT,
    ],
    ids=["default", "acpi", "paravirt"],
)
def test_a_way_to_shut_down_works_where_it_is_offered(
    shut_down: Callable[[int], Handle], mode: int
) -> None:
    assert state(shut_down(mode)) == SHUTOFF


def test_a_guest_can_be_started_again_after_it_shut_down(
    shut_down: Callable[[int], Handle],
) -> None:
    domain = shut_down(DEFAULT)
    domain.create()
    assert state(domain) == RUNNING


def test_a_reboot_gives_a_new_boot(guest: Guest) -> None:
    before = guest.boot_id()
    guest.domain.reboot(0)
    assert guest.booted_again(before) != before
    assert state(guest.domain) == RUNNING


def test_a_reboot_leaves_the_domain_what_it_is(lab: Lab, guest: Guest) -> None:
    number, before = guest.domain.ID(), guest.boot_id()
    uuid = guest.domain.UUIDString()
    guest.domain.reboot(0)
    guest.booted_again(before)
    again = guest.connection.lookupByUUIDString(uuid)
    assert again.name() == guest.domain.name()
    # Xen makes a new domain for each boot and never gives an id twice
    assert again.ID() == number or (lab.platform.type == "xen" and again.ID() > number)


def test_a_reset_gives_a_new_boot(guest: Guest) -> None:
    before = guest.boot_id()
    guest.domain.reset(0)
    assert guest.boot_id(other_than=before) != before


def test_a_request_to_shut_down_is_taken(running: Handle) -> None:
    assert running.shutdown() == 0


def test_a_request_to_shut_down_with_flags_is_taken(savable: Handle) -> None:
    assert savable.shutdownFlags(0) == 0


def test_a_request_to_reboot_is_taken(running: Handle) -> None:
    assert running.reboot(0) == 0


def test_a_running_domain_can_be_reset(running: Handle) -> None:
    assert running.reset(0) == 0
    assert state(running) == RUNNING


def test_two_ways_to_shut_down_that_exclude_each_other_are_refused(defined: Handle) -> None:
    with refused(libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_ERR_INVALID_ARG):
        defined.shutdownFlags(1 << 20)


def test_an_inactive_domain_cannot_be_shut_down(defined: Handle) -> None:
    with refused(libvirt.VIR_ERR_OPERATION_INVALID):
        defined.shutdown()


def test_an_inactive_domain_cannot_be_rebooted(defined: Handle) -> None:
    with refused(libvirt.VIR_ERR_OPERATION_INVALID):
        defined.reboot(0)


def test_an_inactive_domain_cannot_be_reset(defined: Handle) -> None:
    with refused(libvirt.VIR_ERR_OPERATION_INVALID):
        defined.reset(0)


def test_the_heart_of_a_paused_guest_stands_still(guest: Guest) -> None:
    guest.beat()
    guest.domain.suspend()
    time.sleep(0.5)  # what the guest had written already
    before = guest.beat()
    time.sleep(2.2)
    assert guest.beat() == before


def test_the_heart_of_a_resumed_guest_beats_on_in_the_same_boot(guest: Guest) -> None:
    boot, before = guest.boot_id(), guest.beat()
    guest.domain.suspend()
    guest.domain.resume()
    guest.beats_after(before)
    assert guest.boot_id() == boot


def test_a_key_can_be_pressed(shared: Handle) -> None:
    assert shared.sendKey(libvirt.VIR_KEYCODE_SET_LINUX, 50, [30], 1, 0) == 0


def test_a_key_code_that_is_none_is_refused(shared: Handle) -> None:
    with refused(libvirt.VIR_ERR_INVALID_ARG, libvirt.VIR_ERR_OPERATION_FAILED):
        shared.sendKey(libvirt.VIR_KEYCODE_SET_ATSET1, 50, [0xFFFF], 1, 0)


def test_an_inactive_domain_takes_no_keys(defined: Handle) -> None:
    with refused(libvirt.VIR_ERR_OPERATION_INVALID):
        defined.sendKey(libvirt.VIR_KEYCODE_SET_LINUX, 50, [30], 1, 0)


def test_a_nonmaskable_interrupt_can_be_injected(shared: Handle) -> None:
    assert shared.injectNMI(0) == 0


def test_a_signal_can_be_sent_to_a_process_of_the_guest(shared: Handle) -> None:
    assert shared.sendProcessSignal(1, libvirt.VIR_DOMAIN_PROCESS_SIGNAL_NOP, 0) == 0


def test_a_screenshot_is_an_image(lab: Lab, connection: Handle) -> None:
    video = "<video><model type='vga'/></video>"
    domain = connection.createXML(str(lab.domain().but(devices=(video,))), 0)
    stream = connection.newStream(0)
    kind = domain.screenshot(stream, 0, 0)
    data = bytearray()
    stream.recvAll(lambda _stream, chunk, _opaque: data.extend(chunk), None)
    stream.finish()
    assert kind in IMAGES, f"{kind} is no kind of image that is known here"
    assert data.startswith(IMAGES[kind])
    assert len(data) > 100


def test_an_inactive_domain_has_no_screenshot(connection: Handle, defined: Handle) -> None:
    with refused(libvirt.VIR_ERR_OPERATION_INVALID):
        defined.screenshot(connection.newStream(0), 0, 0)


def assert_dumped(lab: Lab, path: str) -> None:
    """The dump is there and holds more than its head, as far as the file can be seen from here."""
    if lab.session.local:
        size = Path(path).stat().st_size
        assert size > DUMP_BYTES, f"the dump has {size} bytes"


def test_a_core_dump_leaves_the_domain_running(savable: Handle, lab: Lab) -> None:
    path = lab.scratch.file()
    savable.coreDump(path, libvirt.VIR_DUMP_MEMORY_ONLY)
    assert state(savable) == RUNNING
    assert_dumped(lab, path)


def test_a_full_core_dump_is_written(savable: Handle, lab: Lab) -> None:
    path = lab.scratch.file()
    savable.coreDump(path, 0)
    assert state(savable) == RUNNING
    assert_dumped(lab, path)


def test_a_dump_may_end_the_domain(savable: Handle, lab: Lab) -> None:
    savable.coreDump(lab.scratch.file(), libvirt.VIR_DUMP_CRASH)
    assert state(savable) in (SHUTOFF, libvirt.VIR_DOMAIN_CRASHED)
    assert reason(savable) == libvirt.VIR_DOMAIN_SHUTOFF_CRASHED


def test_a_dump_format_can_be_chosen(savable: Handle, lab: Lab) -> None:
    kind = libvirt.VIR_DOMAIN_CORE_DUMP_FORMAT_RAW
    path = lab.scratch.file()
    savable.coreDumpWithFormat(path, kind, libvirt.VIR_DUMP_MEMORY_ONLY)
    assert_dumped(lab, path)


def test_an_inactive_domain_cannot_be_dumped(defined: Handle, lab: Lab) -> None:
    with refused(libvirt.VIR_ERR_OPERATION_INVALID):
        defined.coreDump(lab.scratch.file(), 0)


def test_a_dump_into_a_folder_that_is_none_fails(shared: Handle) -> None:
    with refused(
        libvirt.VIR_ERR_OPERATION_FAILED,
        libvirt.VIR_ERR_SYSTEM_ERROR,
        libvirt.VIR_ERR_INTERNAL_ERROR,
    ):
        shared.coreDump("/virtci/nothing/core", libvirt.VIR_DUMP_MEMORY_ONLY)


def test_what_happens_at_the_end_can_be_configured(defined: Handle) -> None:
    defined.setLifecycleAction(
        libvirt.VIR_DOMAIN_LIFECYCLE_POWEROFF, libvirt.VIR_DOMAIN_LIFECYCLE_ACTION_DESTROY, CONFIG
    )
    assert "<on_poweroff>destroy" in defined.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)


def test_what_happens_at_the_end_can_be_changed_while_it_runs(running: Handle) -> None:
    running.setLifecycleAction(
        libvirt.VIR_DOMAIN_LIFECYCLE_REBOOT, libvirt.VIR_DOMAIN_LIFECYCLE_ACTION_DESTROY, LIVE
    )
    assert "<on_reboot>destroy" in running.XMLDesc(0)


def test_a_domain_that_is_destroyed_on_reboot_ends(connection: Handle, guest: Guest) -> None:
    guest.beat()
    guest.domain.setLifecycleAction(
        libvirt.VIR_DOMAIN_LIFECYCLE_REBOOT, libvirt.VIR_DOMAIN_LIFECYCLE_ACTION_DESTROY, LIVE
    )
    guest.domain.reboot(0)
    name = guest.domain.name()
    gone = libvirt.VIR_CONNECT_LIST_DOMAINS_INACTIVE
    eventually("the domain ended", lambda: name in names(connection, gone), BOOT_SECONDS)


def test_sleep_is_refused_or_seen(running: Handle) -> None:
    """QEMU needs an agent in the guest for it; Xen asks the guest's kernel."""
    code = asked_to_sleep(running)
    if code == 0:
        asleep = libvirt.VIR_DOMAIN_PMSUSPENDED
        eventually("the domain sleeps", lambda: state(running) == asleep, BOOT_SECONDS)
    else:
        assert code in NO_SLEEP, f"code {code}"
        assert state(running) == RUNNING


def asked_to_sleep(domain: Handle) -> int:
    """0, or the code of the refusal."""
    try:
        domain.pMSuspendForDuration(libvirt.VIR_NODE_SUSPEND_TARGET_MEM, 0, 0)
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_SUPPORT:
            raise
        return int(error.get_error_code())
    return 0


def test_waking_a_domain_that_does_not_sleep_is_refused(shared: Handle) -> None:
    with refused(libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_ERR_OPERATION_UNSUPPORTED):
        shared.pMWakeup(0)
