"""Which node this machine is, by its addresses."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest
from msgspec.structs import replace

from fleetctl.link.here import is_own, seen_from
from fleetctl.model.topology import SSH, Fleet, Network, Node


def node(name: str, connection: str = "ssh", **addresses: str) -> Node:
    found = {network: IPv4Address(address) for network, address in addresses.items()}
    return Node(name, SSH(name), connection=connection, addresses=found)  # type: ignore[arg-type]


NETWORKS = {
    "wifi": Network("wifi", IPv4Network("192.168.1.0/24"), control=True),
    "fabric": Network("fabric", IPv4Network("10.10.0.0/24")),
}
FLEET = Fleet(
    "t",
    NETWORKS,
    {
        one.name: one
        for one in (
            node("mini1", wifi="192.168.1.11", fabric="10.10.0.1"),
            node("mini2", wifi="192.168.1.12", fabric="10.10.0.2"),
            node("macbook", "local", wifi="192.168.1.10"),
            node("laptop", wifi="192.168.1.20"),
            node("ipad", "none", wifi="192.168.1.40"),
        )
    },
)


def local(fleet: Fleet, *own: str, account: str | None = "me") -> list[str]:
    """The nodes that are local where this machine has the addresses ``own``."""
    seen = seen_from(fleet, lambda address: str(address) in own, account)
    return [one.name for one in seen.nodes.values() if one.connection == "local"]


@pytest.mark.parametrize(
    ("own", "found"),
    [
        ((), "macbook"),
        (("192.168.1.10",), "macbook"),
        (("192.168.1.20",), "laptop"),
        (("10.10.0.1",), "mini1"),  # Wi-Fi gave it another address today
        (("192.168.1.11",), "macbook"),  # by chance, in another house
        (("10.10.0.1", "10.10.0.2"), "macbook"),
        (("192.168.1.40",), "macbook"),
    ],
)
def test_it_is_known_by_addresses_that_no_other_machine_has(
    own: tuple[str, ...], found: str
) -> None:
    assert local(FLEET, *own) == [found]


@pytest.mark.parametrize(
    ("own", "found"),
    [
        (("10.10.0.1", "192.168.1.99"), "mini1"),  # by the fabric, whatever Wi-Fi gave it
        (("192.168.1.11",), "macbook"),
        # of laptop nothing is left by which it could be known
        (("192.168.1.20",), "macbook"),
        (("192.168.2.20",), "macbook"),
    ],
)
def test_addresses_that_dhcp_gives_tell_nothing(own: tuple[str, ...], found: str) -> None:
    wired = Network("wired", IPv4Network("192.168.2.0/24"), control=True)
    leased = {
        "mini1": node("mini1", fabric="10.10.0.1"),
        "laptop": node("laptop", wired="192.168.2.20"),
    }
    nodes = {
        **FLEET.nodes,
        **{name: replace(one, leased=frozenset({"wifi"})) for name, one in leased.items()},
    }
    fleet = replace(FLEET, networks={**NETWORKS, "wired": wired}, nodes=nodes)
    assert local(fleet, *own) == [found]


def changed(name: str, ssh: SSH) -> Fleet:
    nodes = {**FLEET.nodes, name: replace(FLEET.nodes[name], ssh=ssh)}
    return replace(FLEET, nodes=nodes)


@pytest.mark.parametrize(
    ("ssh", "found"),
    [
        (SSH("mini1", user="me"), "mini1"),
        (SSH("mini1", port=22), "mini1"),
        (SSH("mini1", user="trainer"), "macbook"),
        (SSH("192.168.1.11", port=2201), "macbook"),
    ],
)
def test_another_account_or_port_is_reached_over_ssh(ssh: SSH, found: str) -> None:
    assert local(changed("mini1", ssh), "10.10.0.1") == [found]


def test_addresses_of_the_loopback_tell_nothing() -> None:
    networks = {"lan": Network("lan", IPv4Network("127.0.0.0/16"))}
    fleet = Fleet("t", networks, {"n1": node("n1", lan="127.0.1.1")})
    assert local(fleet, "127.0.1.1") == []
    assert is_own(IPv4Address("127.0.1.1"))
    assert not is_own(IPv4Address("203.0.113.7"))
