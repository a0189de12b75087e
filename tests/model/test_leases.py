"""Which address a node has on a network where DHCP gives it."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network

import pytest

from fleetctl.model.facts import NetworkFacts
from fleetctl.model.leases import lease, with_leases
from fleetctl.model.network import Interface, Route
from fleetctl.model.topology import SSH, Fleet, Network, Node
from tests.health.facts import facts

WIFI = Network("wifi", IPv4Network("192.168.1.0/24"), kind="wifi", control=True)
FABRIC = Network("fabric", IPv4Network("10.10.0.0/24"), kind="thunderbolt")
NODE = Node(
    "mini1",
    SSH("mini1"),
    addresses={"fabric": IPv4Address("10.10.0.1")},
    leased=frozenset({"wifi"}),
)
FLEET = Fleet("f", {"wifi": WIFI, "fabric": FABRIC}, {"mini1": NODE})


def card(name: str, *addresses: str, link: bool = True) -> Interface:
    return Interface(name, enabled=True, link=link, addresses=tuple(map(IPv4Interface, addresses)))


@pytest.mark.parametrize(
    ("cards", "default", "found"),
    [
        ([card("en0", "192.168.1.7/24")], "", "192.168.1.7"),
        ([card("en0", "10.10.0.1/24", "192.168.1.7/24")], "", "192.168.1.7"),
        ([card("en0", "169.254.3.4/16"), card("lo0", "127.0.0.1/8")], "", None),
        ([], "", None),
        # of several one that works, then one of the network's kind, then the default route's
        ([card("wlan0", "192.168.1.7/24", link=False), card("eth0", "192.168.1.8/24")], "wlan0",
         "192.168.1.8"),
        ([card("eth0", "192.168.1.8/24"), card("wlan0", "192.168.1.7/24")], "eth0", "192.168.1.7"),
        ([card("en0", "192.168.1.8/24"), card("en1", "192.168.1.7/24")], "en1", "192.168.1.7"),
        ([card("en0", "192.168.1.8/24"), card("en1", "192.168.1.7/24")], "", "192.168.1.8"),
    ],
)  # fmt: skip
def test_the_address_inside_the_network_counts(
    cards: list[Interface], default: str, found: str | None
) -> None:
    routes = (Route(IPv4Network("0.0.0.0/0"), IPv4Address("192.168.1.1"), default),)
    told = NetworkFacts(interfaces=tuple(cards), routes=routes if default else ())
    assert lease(WIFI, told) == (IPv4Address(found) if found else None)


def told(*cards: Interface) -> NetworkFacts:
    return NetworkFacts(interfaces=cards)


def test_a_node_has_the_address_that_it_tells() -> None:
    known = with_leases(FLEET, {"mini1": facts(network=told(card("en0", "192.168.1.7/24")))})
    assert list(known.nodes["mini1"].addresses.items()) == [
        ("wifi", IPv4Address("192.168.1.7")),
        ("fabric", IPv4Address("10.10.0.1")),
    ]
    new = with_leases(known, {"mini1": facts(network=told(card("en0", "192.168.1.9/24")))})
    assert new.nodes["mini1"].addresses["wifi"] == IPv4Address("192.168.1.9")
    gone = with_leases(known, {"mini1": facts(network=told(card("en0")))})
    assert "wifi" not in gone.nodes["mini1"].addresses
    assert "wifi" in gone.nodes["mini1"].networks


@pytest.mark.parametrize("network", [NetworkFacts(), None])
def test_a_node_that_does_not_tell_keeps_its_address(network: NetworkFacts | None) -> None:
    known = with_leases(FLEET, {"mini1": facts(network=told(card("en0", "192.168.1.7/24")))})
    silent = {} if network is None else {"mini1": facts(network=network)}
    assert with_leases(known, silent) is known
