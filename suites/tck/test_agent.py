"""What needs an agent inside the guest says so when there is none, and does not hang."""

from __future__ import annotations

from collections.abc import Callable

import libvirt
import pytest
from defusedxml.ElementTree import fromstring

from suites.hypervisor.handle import Handle
from suites.tck.domains import LIVE
from suites.tck.verdict import refused

NO_AGENT = (
    libvirt.VIR_ERR_AGENT_UNRESPONSIVE,
    libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED,
    libvirt.VIR_ERR_CONFIG_UNSUPPORTED,
    libvirt.VIR_ERR_OPERATION_UNSUPPORTED,
)


def unheard(domain: Handle) -> object:
    """The binding swallows the error of guestVcpus and gives nothing; the next call tells it."""
    return domain.setGuestVcpus("0", 1, 0)


CALLS: dict[str, Callable[[Handle], object]] = {
    "freezing": lambda domain: domain.fsFreeze(None, 0),
    "thawing": lambda domain: domain.fsThaw(None, 0),
    "trimming": lambda domain: domain.fSTrim(None, 0, 0),
    "filesystems": lambda domain: domain.fsInfo(0),
    "the_time": lambda domain: domain.getTime(0),
    "setting_the_time": lambda domain: domain.setTime({"seconds": 0, "nseconds": 0}, 0),
    "a_password": lambda domain: domain.setUserPassword("nobody", "virtci", 0),
    "processors": lambda domain: domain.guestVcpus(0) or unheard(domain),
    "setting_processors": lambda domain: domain.setGuestVcpus("0", 1, 0),
    "information": lambda domain: domain.guestInfo(libvirt.VIR_DOMAIN_GUEST_INFO_OS, 0),
    "its_name": lambda domain: domain.hostname(libvirt.VIR_DOMAIN_GET_HOSTNAME_AGENT),
    "keys": lambda domain: domain.authorizedSSHKeysGet("root", 0),
    "setting_keys": lambda domain: domain.authorizedSSHKeysSet("root", ["ssh-ed25519 AAAA x"], 0),
    "shutting_down": lambda domain: domain.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_GUEST_AGENT),
    "rebooting": lambda domain: domain.reboot(libvirt.VIR_DOMAIN_REBOOT_GUEST_AGENT),
}


@pytest.mark.parametrize("what", CALLS)
def test_an_agent_answers_or_is_said_to_be_missing(shared: Handle, what: str) -> None:
    try:
        CALLS[what](shared)
    except libvirt.libvirtError as error:
        if error.get_error_code() not in NO_AGENT:
            raise


@pytest.mark.parametrize("what", CALLS)
def test_an_inactive_domain_gives_no(defined: Handle, what: str) -> None:
    with refused(libvirt.VIR_ERR_OPERATION_INVALID):
        CALLS[what](defined)


def test_the_name_of_a_guest_can_come_from_a_lease(shared: Handle) -> None:
    with refused(libvirt.VIR_ERR_NO_HOSTNAME, libvirt.VIR_ERR_OPERATION_INVALID):
        shared.hostname(libvirt.VIR_DOMAIN_GET_HOSTNAME_LEASE)


def test_the_security_label_is_told(shared: Handle) -> None:
    assert len(shared.securityLabel()) == 2


def test_all_security_labels_are_told(shared: Handle) -> None:
    told = {label for label, _ in shared.securityLabelList()} - {""}
    assert told == {label.text for label in fromstring(shared.XMLDesc(0)).iter("label")}


def test_launch_security_is_told(shared: Handle) -> None:
    assert shared.launchSecurityInfo(0) == {}, "it was started without any"


def test_launch_security_is_not_set_without_it(shared: Handle) -> None:
    with refused(libvirt.VIR_ERR_OPERATION_UNSUPPORTED, libvirt.VIR_ERR_OPERATION_INVALID):
        shared.setLaunchSecurityState({"sev-secret": "x", "sev-secret-header": "y"}, LIVE)
