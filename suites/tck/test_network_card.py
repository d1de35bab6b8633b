"""Network cards of a domain: attached, measured, limited, unplugged."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree  # writes only; defusedxml reads

import libvirt
import pytest
from defusedxml.ElementTree import fromstring

from suites.hypervisor.handle import Handle
from suites.tck.device_xml import network_card_xml
from suites.tck.domains import CONFIG, LIVE, eventually
from suites.tck.lab import Lab
from suites.tck.live import Guest
from suites.tck.verdict import refused

COUNTERS = tuple(
    f"{way}_{what}" for way in ("rx", "tx") for what in ("bytes", "packets", "errs", "drop")
)
PACKETS = tuple(number for number, name in enumerate(COUNTERS) if name.endswith("packets"))
MAC = "52:54:00:7c:1a:01"
OTHER_MAC = "52:54:00:7c:1a:02"
NO_CARD = (
    libvirt.VIR_ERR_INVALID_ARG,
    libvirt.VIR_ERR_OPERATION_FAILED,
    libvirt.VIR_ERR_DEVICE_MISSING,
)


@pytest.fixture
def network(lab: Lab) -> str:
    """The name of an active network that leads nowhere, which all cases share."""
    return lab.scratch.shared_network()


@pytest.fixture
def with_card(lab: Lab, connection: Handle, network: str) -> Iterator[Handle]:
    """A running domain with one card, whose link and speed may be any."""

    def make() -> Handle:
        xml = lab.domain().but(devices=(network_card_xml(network, MAC),))
        domain: Handle = connection.defineXML(str(xml))
        domain.create()
        return domain

    yield lab.spares.borrow("with card", make)
    lab.spares.give_back("with card", any_run=True)


@pytest.fixture
def its_card(lab: Lab, network: str) -> Handle:
    """A running domain with one card, which all cases share that leave it as it is."""
    return lab.shared("card-domain", lambda: (network_card_xml(network, MAC),))


def cards(domain: Handle, flags: int = 0) -> list[str]:
    root = fromstring(domain.XMLDesc(flags))
    return [mac.get("address", "") for mac in root.findall("devices/interface/mac")]


def assert_counted(told: tuple[int, ...]) -> None:
    """Bytes, packets, errors and drops, both ways; bytes only where there are packets."""
    assert len(told) == len(COUNTERS)
    assert min(told) >= 0, f"a counter is missing: {dict(zip(COUNTERS, told, strict=True))}"
    for first in (0, 4):
        assert (told[first] == 0) is (told[first + 1] == 0), "bytes without packets"


def device(domain: Handle) -> str:
    """What the first card is called on the host."""
    target = fromstring(domain.XMLDesc(0)).find("devices/interface/target")
    assert target is not None, "the running card has no device on the host"
    return str(target.get("dev"))


def test_the_address_that_was_given_is_kept(its_card: Handle) -> None:
    assert cards(its_card) == [MAC]


def test_an_address_is_made_when_none_was_given(lab: Lab, connection: Handle, network: str) -> None:
    card = f"<interface type='network'><source network='{network}'/></interface>"
    domain = connection.defineXML(str(lab.domain().but(devices=(card,))))
    assert len(cards(domain)[0].split(":")) == 6


def test_what_a_card_did_is_told(its_card: Handle) -> None:
    assert_counted(its_card.interfaceStats(device(its_card)))


def test_what_a_card_did_is_told_by_its_address(its_card: Handle) -> None:
    before = its_card.interfaceStats(device(its_card))
    told = its_card.interfaceStats(MAC)
    assert_counted(told)
    assert all(was <= now for was, now in zip(before, told, strict=True)), "it is another card's"


def test_what_a_card_did_never_shrinks(its_card: Handle) -> None:
    first = its_card.interfaceStats(MAC)
    second = its_card.interfaceStats(MAC)
    assert all(was <= now for was, now in zip(first, second, strict=True)), (first, second)


def test_traffic_is_counted(lab: Lab, its_card: Handle) -> None:
    """The host speaks to a network as soon as a card is on it; nobody in the guest has to."""
    eventually(
        "packets went over the card",
        lambda: any(its_card.interfaceStats(MAC)[number] > 0 for number in PACKETS),
        20 * lab.options.patience,
    )


def test_a_card_that_is_not_there_did_nothing(its_card: Handle) -> None:
    with refused(*NO_CARD):
        its_card.interfaceStats("virtci-none")


def test_cards_of_an_inactive_domain_do_nothing(with_card: Handle) -> None:
    with_card.destroy()
    with refused(libvirt.VIR_ERR_OPERATION_INVALID):
        with_card.interfaceStats(MAC)


def test_the_bandwidth_of_a_card_is_told(its_card: Handle) -> None:
    assert "inbound.average" in its_card.interfaceParameters(device(its_card), 0)


def test_a_card_can_be_slowed_down(with_card: Handle) -> None:
    name = device(with_card)
    with_card.setInterfaceParameters(name, {"inbound.average": 1000}, LIVE)
    assert with_card.interfaceParameters(name, LIVE)["inbound.average"] == 1000


def test_a_slower_card_can_be_configured(with_card: Handle) -> None:
    with_card.setInterfaceParameters(MAC, {"outbound.average": 500}, CONFIG)
    assert with_card.interfaceParameters(MAC, CONFIG)["outbound.average"] == 500


def test_a_card_that_is_not_there_has_no_bandwidth(its_card: Handle) -> None:
    with refused(*NO_CARD):
        its_card.interfaceParameters("virtci-none", 0)


def test_a_card_can_be_added_to_the_configuration(defined: Handle, network: str) -> None:
    defined.attachDeviceFlags(network_card_xml(network, MAC), CONFIG)
    assert cards(defined) == [MAC]


def test_a_card_can_be_taken_out_of_the_configuration(defined: Handle, network: str) -> None:
    card = network_card_xml(network, MAC)
    defined.attachDeviceFlags(card, CONFIG)
    defined.detachDeviceFlags(card, CONFIG)
    assert cards(defined) == []


def test_a_card_can_be_attached_while_it_runs(running: Handle, network: str) -> None:
    running.attachDeviceFlags(network_card_xml(network, OTHER_MAC), LIVE)
    assert OTHER_MAC in cards(running)
    assert OTHER_MAC not in cards(running, libvirt.VIR_DOMAIN_XML_INACTIVE)


def test_a_card_can_be_added_now_and_for_later(running: Handle, network: str) -> None:
    running.attachDeviceFlags(network_card_xml(network, OTHER_MAC), LIVE | CONFIG)
    assert OTHER_MAC in cards(running)
    assert OTHER_MAC in cards(running, libvirt.VIR_DOMAIN_XML_INACTIVE)


def test_a_card_can_be_detached_from_a_guest(lab: Lab, guest: Guest, network: str) -> None:
    card = network_card_xml(network, OTHER_MAC)
    guest.domain.attachDeviceFlags(card, LIVE)
    guest.beat()
    guest.domain.detachDeviceFlags(card, LIVE)
    seconds = 30 * lab.options.patience
    eventually("the card went", lambda: OTHER_MAC not in cards(guest.domain), seconds)


def test_a_card_on_a_network_that_is_none_is_not_attached(shared: Handle, lab: Lab) -> None:
    with refused(libvirt.VIR_ERR_NO_NETWORK, libvirt.VIR_ERR_OPERATION_FAILED):
        shared.attachDeviceFlags(network_card_xml(lab.name(), OTHER_MAC), LIVE)


def test_a_card_that_is_not_there_is_not_detached(defined: Handle, network: str) -> None:
    with refused(*NO_CARD, libvirt.VIR_ERR_OPERATION_FAILED):
        defined.detachDeviceFlags(network_card_xml(network, MAC), CONFIG)


@pytest.mark.parametrize("link", ["up", "down"])
def test_the_link_of_a_card_can_be_changed(with_card: Handle, network: str, link: str) -> None:
    root = fromstring(with_card.XMLDesc(0)).find("devices/interface")
    assert root is not None
    for old in root.findall("link"):
        root.remove(old)
    card = ElementTree.tostring(root, encoding="unicode")
    changed = card.replace("</interface>", f"<link state='{link}'/></interface>")
    with_card.updateDeviceFlags(changed, LIVE)
    assert f"<link state='{link}'/>" in with_card.XMLDesc(0)


def test_the_address_of_a_running_card_is_fixed(its_card: Handle, network: str) -> None:
    with refused(
        libvirt.VIR_ERR_OPERATION_UNSUPPORTED,
        libvirt.VIR_ERR_OPERATION_FAILED,
        libvirt.VIR_ERR_DEVICE_MISSING,
        libvirt.VIR_ERR_INVALID_ARG,
    ):
        its_card.updateDeviceFlags(network_card_xml(network, OTHER_MAC), LIVE)


def test_addresses_without_a_lease_are_none(its_card: Handle) -> None:
    source = libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE
    assert its_card.interfaceAddresses(source, 0) == {}


def test_addresses_may_come_from_the_neighbours(its_card: Handle) -> None:
    source = libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_ARP
    told = its_card.interfaceAddresses(source, 0)
    assert told == {} or [card["hwaddr"] for card in told.values()] == [MAC]


def test_addresses_from_an_agent_need_one(its_card: Handle) -> None:
    source = libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT
    with refused(libvirt.VIR_ERR_AGENT_UNRESPONSIVE, libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED):
        its_card.interfaceAddresses(source, 0)


@pytest.mark.parametrize("model", ["virtio", "e1000", "rtl8139"])
def test_a_model_can_be_chosen(lab: Lab, connection: Handle, network: str, model: str) -> None:
    card = network_card_xml(network, MAC, model=model)
    domain = connection.createXML(str(lab.domain().but(devices=(card,))), 0)
    assert f"<model type='{model}'/>" in domain.XMLDesc(0)
