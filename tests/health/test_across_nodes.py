"""Problems that only several nodes together show: MTUs that differ, cable rings."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Interface

import pytest

from fleetctl.config import load_text
from fleetctl.health.network.across_nodes import problems_across_nodes
from fleetctl.model.facts import NetworkFacts, NodeFacts, ThunderboltPort
from fleetctl.model.network import Interface
from fleetctl.model.status import Problem
from tests.health.facts import facts
from tests.lab.fleets import GUIDE

FLEET = load_text(GUIDE, "nodes.yaml")
MACS = ("mini1", "mini2", "mini3")


def told(by_node: dict[str, NodeFacts]) -> list[Problem]:
    return list(problems_across_nodes(FLEET, by_node))


# MTUs


def sized(network: str, **mtus: int | None) -> dict[str, NodeFacts]:
    """Nodes with that MTU on ``network``, and an odd one on another interface."""
    found = {}
    for name, mtu in mtus.items():
        address = IPv4Interface((FLEET.nodes[name].addresses[network], 24))
        own = Interface("eth0", enabled=True, link=True, addresses=(address,), mtu=mtu)
        lo = Interface("lo", True, True, (IPv4Interface("127.0.0.1/8"),), mtu=65536 + len(name))
        found[name] = facts(network=NetworkFacts(interfaces=(lo, own)))
    return found


def test_a_node_with_a_larger_mtu() -> None:
    (problem,) = told(sized("fabric", mini1=1500, mini2=9000, mini3=1500))
    assert (problem.code, problem.severity, problem.node) == ("mtu-mismatch", "warning", "mini2")
    assert problem.summary == (
        "mini2 sends packets of up to 9000 bytes on fabric, the others of up to 1500: pings pass, "
        "and large transfers may hang"
    )
    assert problem.affects == ()
    assert problem.evidence == "mini1: mtu 1500, mini2: mtu 9000, mini3: mtu 1500"


def test_all_nodes_that_differ_from_most_are_one_problem() -> None:
    (problem,) = told(sized("wifi", mini1=1280, mini2=1500, mini3=1500, pi5=1500, pi4=1400))
    assert (problem.node, problem.affects) == ("mini1", ("pi4",))


def test_the_ends_of_a_cable_that_differ() -> None:
    (problem,) = told(sized("edge50", mini1=1500, pi5=9000))
    assert {problem.node, *problem.affects} < {"mini1", "pi5"}


@pytest.mark.parametrize(
    "mtus",
    [
        {"mini1": 9000, "mini2": 9000, "mini3": 9000},
        {"mini1": 1500, "mini2": None, "mini3": 1500},
        {"mini1": 9000},
        {},
    ],
)
def test_the_same_mtu_everywhere_is_fine(mtus: dict[str, int | None]) -> None:
    assert told(sized("fabric", **mtus)) == []


def test_other_networks_may_have_other_mtus() -> None:
    assert told({**sized("edge50", mini1=1500, pi5=1500), **sized("fabric", mini2=9000)}) == []


def test_a_node_without_its_address_has_no_mtu_there() -> None:
    lost = facts(network=NetworkFacts(interfaces=(Interface("en0", True, True, mtu=9000),)))
    untold = facts(network=NetworkFacts(interfaces=None))
    assert told({**sized("fabric", mini1=1500), "mini2": lost, "mini3": untold}) == []


# rings

BRIDGE = Interface("bridge0", enabled=True, link=True)


def cabled(
    *cables: tuple[str, str], names: Iterable[str] = MACS, bridge: Interface | None = BRIDGE
) -> dict[str, NodeFacts]:
    """Macs with Thunderbolt cables between them; an end is named after its cable."""
    found = {}
    for name in names:
        ports = [ThunderboltPort(f"{name}-free", None)]
        for number, cable in enumerate(cables):
            if name in cable:
                far = cable[1 - cable.index(name)]
                ports.append(ThunderboltPort(f"{name}-{number}", f"{far}-{number}"))
        found[name] = facts(
            thunderbolt=tuple(ports),
            network=NetworkFacts(interfaces=(bridge,) if bridge else ()),
        )
    return found


A, B, C = ("mini1", "mini2"), ("mini2", "mini3"), ("mini3", "mini1")


@pytest.mark.parametrize("cables", [(A, B, C), (C, A, B), (B, A, C, A)])
def test_three_macs_in_a_ring(cables: tuple[tuple[str, str], ...]) -> None:
    (problem,) = told(cabled(*cables))
    assert (problem.code, problem.severity) == ("thunderbolt-loop", "warning")
    assert problem.node is not None
    assert {problem.node, *problem.affects} == set(MACS)
    assert "of mini1, mini2, mini3 form a ring" in problem.summary
    assert "take one cable out" in problem.summary
    assert problem.evidence == (
        "system_profiler SPThunderboltDataType: mini1-mini2, mini1-mini3, mini2-mini3"
    )


@pytest.mark.parametrize(
    "cables", [(), (A,), (A, B), (A, A), (A, B, B)], ids=["none", "one", "chain", "double", "both"]
)
def test_a_chain_or_two_cables_between_two_macs_are_no_ring(
    cables: tuple[tuple[str, str], ...],
) -> None:
    assert told(cabled(*cables)) == []


@pytest.mark.parametrize(
    "bridge",
    [
        None,
        Interface("bridge0", enabled=False, link=True),
        Interface("bridge0", enabled=True, link=False),
        Interface("en1", enabled=True, link=True),
    ],
    ids=["none", "off", "dead", "another"],
)
def test_a_ring_of_links_without_a_bridge_is_no_loop(bridge: Interface | None) -> None:
    assert told(cabled(A, B, C, bridge=bridge)) == []


def test_a_bridge_with_an_unknown_link_state_counts() -> None:
    bridge = Interface("bridge0", enabled=True, link=None)
    assert [p.code for p in told(cabled(A, B, C, bridge=bridge))] == ["thunderbolt-loop"]


def test_a_ring_over_an_unknown_mac_cannot_be_seen() -> None:
    assert told(cabled(A, B, C, names=MACS[:2])) == []


def test_one_end_is_enough_to_know_a_cable() -> None:
    ring = cabled(A, B, C)
    ports = ring["mini1"].thunderbolt or ()
    mute = tuple(ThunderboltPort(p.domain, None) for p in ports)
    ring["mini1"] = facts(thunderbolt=mute, network=ring["mini1"].network)
    assert [p.code for p in told(ring)] == ["thunderbolt-loop"]


def test_a_mac_that_was_not_asked_for_its_ports_makes_no_ring() -> None:
    ring = cabled(A, B, C)
    ring["mini1"] = facts(thunderbolt=None, network=ring["mini1"].network)
    assert told(ring) == []
