"""Addresses that DHCP gives: held against the network they must be in, and pinged once known."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface
from typing import Any

from msgspec.structs import replace

from fleetctl.errors import ConnectTimedOut
from fleetctl.health.assess import Checked, assess
from fleetctl.model.expectations import derive
from fleetctl.model.look import Look
from fleetctl.model.network import Echo, Interface
from fleetctl.words.check import node_lines
from tests.health.leases import with_dhcp
from tests.health.test_unexplained import CLUSTER
from tests.health.world import World

FLEET = with_dhcp(CLUSTER, "mini2", "wifi")
OWN = CLUSTER.nodes["mini2"].addresses["wifi"]


def looks(**by_node: Look) -> dict[str, Look]:
    made = World(CLUSTER)
    return {**{name: made.look(name, "check") for name in made.hosts}, **by_node}


def checked(**by_node: Look) -> Checked:
    found = looks(**by_node)
    return assess(FLEET, None, derive(FLEET), found, duration_s=1.0, depth="check")


def with_cards(*of_wifi: str, **more: Any) -> Look:
    """mini2, with these addresses on Wi-Fi."""
    told = looks()["mini2"].facts
    assert told
    cards = tuple(
        replace(card, addresses=tuple(map(IPv4Interface, of_wifi)))
        if any(a.ip == OWN for a in card.addresses)
        else card
        for card in told.network.interfaces or ()
    )
    network = replace(told.network, interfaces=cards, **more)
    return Look(facts=replace(told, network=network))


def test_the_address_that_is_there_is_right_and_the_others_must_reach_it() -> None:
    found = checked()
    assert not found.status.problems
    [row] = [r for r in found.status.nodes["mini2"].addresses if r.network == "wifi"]
    assert (row.expected, row.ok, row.dhcp, row.persistent) == (str(OWN), True, True, True)
    asked = [r for r in found.status.nodes["mini1"].reachability if r.node == "mini2"]
    assert (str(OWN), True) in [(r.to, r.ok) for r in asked if r.network == "wifi"]
    shown = [line.expected for line in node_lines(found.status.nodes["mini2"])]
    assert f"{OWN} (dhcp)" in shown


def test_a_new_lease_that_nobody_was_asked_about_is_not_known_yet() -> None:
    status = checked(mini2=with_cards("192.168.1.77/24")).status
    [row] = [
        r for r in status.nodes["mini1"].reachability if (r.node, r.network) == ("mini2", "wifi")
    ]
    assert (row.to, row.ok, row.reason) == ("192.168.1.77", None, "not told")
    assert not status.problems


def test_no_address_inside_the_network_is_told_with_what_is_there_instead() -> None:
    found = checked(mini2=with_cards("169.254.7.20/16"))
    [problem] = [p for p in found.status.problems if p.code == "lease-missing"]
    assert problem.node == "mini2"
    assert problem.summary.startswith(
        "mini2 has no address in 192.168.1.0/24 on wifi (dhcp; it has 169.254.7.20)"
    )
    [row] = [r for r in found.status.nodes["mini2"].addresses if r.network == "wifi"]
    assert (row.expected, row.ok) == ("dhcp", False)
    assert row.reason == "no address in 192.168.1.0/24 (dhcp)"
    assert "address-missing" not in {p.code for p in found.status.problems}


def test_of_a_node_that_did_not_answer_nothing_is_known() -> None:
    status = checked(mini2=Look(error=ConnectTimedOut("mini2", "no answer"))).status
    [row] = [r for r in status.nodes["mini2"].addresses if r.network == "wifi"]
    assert (row.expected, row.ok, row.reason) == ("dhcp", None, "no answer")
    asked = [
        r for r in status.nodes["mini1"].reachability if (r.node, r.network) == ("mini2", "wifi")
    ]
    assert [(r.to, r.ok, r.reason) for r in asked] == [
        ("dhcp", None, "which address mini2 has there is not known: DHCP gives it")
    ]
    # nor is it taken for a node that must not be reached there
    assert not any(r.node == "mini2" and not r.expected for r in status.nodes["pi5"].reachability
                   if r.network == "wifi")  # fmt: skip


def test_a_lease_that_is_another_nodes_fixed_address_is_a_duplicate_of_that_one() -> None:
    fixed = CLUSTER.nodes["mini1"].addresses["wifi"]
    found = checked(mini2=with_cards(f"{fixed}/24", echoes={IPv4Address(fixed): Echo(3, 3, 0.1)}))
    [problem] = [p for p in found.status.problems if p.code == "address-duplicate"]
    assert problem.node == "mini2"
    assert "the address of mini1 on wifi" in problem.summary


def test_interfaces_without_an_answer_leave_the_address_unknown() -> None:
    told = looks()["mini2"].facts
    assert told
    network = replace(told.network, interfaces=None)
    silent = replace(told, network=network, unknown={"interfaces": "ip: not found"})
    status = checked(mini2=Look(facts=silent)).status
    [row] = [r for r in status.nodes["mini2"].addresses if r.network == "wifi"]
    assert (row.expected, row.ok, row.reason) == ("dhcp", None, "ip: not found")


def test_a_dead_interface_is_told_as_that() -> None:
    dead = Interface("wlan0", enabled=True, link=False)
    told = looks()["mini2"].facts
    assert told
    others = [c for c in told.network.interfaces or () if not any(a.ip == OWN for a in c.addresses)]
    network = replace(told.network, interfaces=(*others, dead))
    found = checked(mini2=Look(facts=replace(told, network=network)))
    codes = {p.code for p in found.status.problems if p.node == "mini2"}
    assert "interface-down" in codes
    assert "lease-missing" not in codes
