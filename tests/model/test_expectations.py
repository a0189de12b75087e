"""What is derived from a topology. The expected values are written by hand, from the wiring."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetctl.config import load, load_text
from fleetctl.model.expectations import Expectations, derive

SHIPPED = Path(__file__).parents[2] / "nodes.yaml"


def expectations(text: str) -> Expectations:
    return derive(load_text(text, "nodes.yaml"))


def routes(expected: Expectations, kind: str) -> set[str]:
    return {
        f"{r.node}: {r.to} via {r.via} ({r.gateway})" for r in expected.routes if r.kind == kind
    }


def reach(expected: Expectations, node: str, answer: bool) -> set[str]:
    return {str(one.to) for one in expected.reach_of(node) if one.expected is answer}


@pytest.fixture(scope="module")
def guide() -> Expectations:
    return derive(load(SHIPPED))


def test_the_guides_cluster_has_these_routes_and_no_others(guide: Expectations) -> None:
    assert routes(guide, "route") == {
        "pi5: 10.10.0.0/24 via 192.168.50.1 (mini1)",
        "pi4: 10.10.0.0/24 via 192.168.51.2 (mini3)",
    }
    assert routes(guide, "return") == {
        "mini1: 192.168.51.0/24 via 10.10.0.3 (mini3)",
        "mini2: 192.168.51.0/24 via 10.10.0.3 (mini3)",
        "mini2: 192.168.50.0/24 via 10.10.0.1 (mini1)",
        "mini3: 192.168.50.0/24 via 10.10.0.1 (mini1)",
    }
    assert guide.forwarding == {"mini1", "mini3"}


def test_the_shipped_cluster_reaches_what_it_must_and_no_more(guide: Expectations) -> None:
    wifi = {f"192.168.1.{host}" for host in (11, 12, 13, 24, 25, 40)}
    fabric = {"10.10.0.1", "10.10.0.2", "10.10.0.3"}
    assert reach(guide, "pi4", True) == wifi - {"192.168.1.24"} | fabric | {"192.168.51.2"}
    assert reach(guide, "pi4", False) == {"192.168.50.1", "192.168.50.2"}
    assert reach(guide, "pi5", True) == wifi - {"192.168.1.25"} | fabric | {"192.168.50.1"}
    assert reach(guide, "pi5", False) == {"192.168.51.2", "192.168.51.4"}
    assert reach(guide, "mini1", True) == wifi - {"192.168.1.11"} | {
        "10.10.0.2",
        "10.10.0.3",
        "192.168.50.2",
    }
    for mini in ("mini1", "mini2", "mini3"):
        assert reach(guide, mini, False) == set()
    assert guide.reach_of("ipad") == ()


def test_no_node_is_expected_to_reach_itself(guide: Expectations) -> None:
    assert all(one.node != one.peer for one in guide.reach)


def test_routes_are_in_the_order_of_the_nodes(guide: Expectations) -> None:
    assert [r.node for r in guide.routes] == [
        "mini1",
        "mini2",
        "mini2",
        "mini3",
        "pi5",
        "pi4",
    ]


EDGE_BEHIND_AN_EDGE = """\
fleet: f
networks:
  fabric: {cidr: 10.0.0.0/24}
  near: {cidr: 10.0.1.0/24}
  far: {cidr: 10.0.2.0/24}
nodes:
  server: {addresses: {fabric: 10.0.0.9}}
  inner: {addresses: {fabric: 10.0.0.1, near: 10.0.1.1}, gateway: true}
  outer: {addresses: {near: 10.0.1.2, far: 10.0.2.1}, gateway: true, via: {fabric: inner}}
  leaf: {addresses: {far: 10.0.2.2}, via: {fabric: outer}}
"""


def test_an_edge_behind_an_edge() -> None:
    expected = expectations(EDGE_BEHIND_AN_EDGE)
    assert routes(expected, "route") == {
        "outer: 10.0.0.0/24 via 10.0.1.1 (inner)",
        "leaf: 10.0.0.0/24 via 10.0.2.1 (outer)",
    }
    assert routes(expected, "return") == {
        "server: 10.0.1.0/24 via 10.0.0.1 (inner)",
        "server: 10.0.2.0/24 via 10.0.0.1 (inner)",
        "inner: 10.0.2.0/24 via 10.0.1.2 (outer)",
    }
    assert expected.forwarding == {"inner", "outer"}
    assert reach(expected, "leaf", True) == {"10.0.2.1", "10.0.0.9", "10.0.0.1"}
    assert reach(expected, "leaf", False) == {"10.0.1.1", "10.0.1.2"}
    assert reach(expected, "inner", False) == set()
    assert reach(expected, "server", False) == set()


def test_three_gateways_in_a_row() -> None:
    text = EDGE_BEHIND_AN_EDGE.replace("nodes:", "  last: {cidr: 10.0.3.0/24}\nnodes:").replace(
        "leaf: {addresses: {far: 10.0.2.2}, via",
        "leaf: {addresses: {far: 10.0.2.2, last: 10.0.3.1}, gateway: true, via",
    )
    text += "  end: {addresses: {last: 10.0.3.2}, via: {fabric: leaf}}\n"
    expected = expectations(text)
    assert "end: 10.0.0.0/24 via 10.0.3.1 (leaf)" in routes(expected, "route")
    assert {r for r in routes(expected, "return") if "10.0.3.0/24" in r} == {
        "server: 10.0.3.0/24 via 10.0.0.1 (inner)",
        "inner: 10.0.3.0/24 via 10.0.1.2 (outer)",
        "outer: 10.0.3.0/24 via 10.0.2.2 (leaf)",
    }
    assert expected.forwarding == {"inner", "outer", "leaf"}


def test_four_gateways_around_one_fabric() -> None:
    networks = "".join(f"  e{i}: {{cidr: 10.0.{i}.0/24}}\n" for i in range(1, 5))
    gateways = "".join(
        f"  g{i}: {{addresses: {{fabric: 10.0.0.{i}, e{i}: 10.0.{i}.1}}, gateway: true}}\n"
        for i in range(1, 5)
    )
    leaves = "".join(
        f"  l{i}: {{addresses: {{e{i}: 10.0.{i}.2}}, via: {{fabric: g{i}}}}}\n" for i in range(1, 5)
    )
    expected = expectations(
        f"fleet: f\nnetworks:\n  fabric: {{cidr: 10.0.0.0/24}}\n{networks}"
        f"nodes:\n{gateways}{leaves}"
    )
    assert routes(expected, "route") == {
        f"l{i}: 10.0.0.0/24 via 10.0.{i}.1 (g{i})" for i in range(1, 5)
    }
    assert routes(expected, "return") == {
        f"g{at}: 10.0.{to}.0/24 via 10.0.0.{to} (g{to})"
        for at in range(1, 5)
        for to in range(1, 5)
        if at != to
    }
    assert expected.forwarding == {"g1", "g2", "g3", "g4"}
    assert reach(expected, "l1", True) == {"10.0.1.1", *(f"10.0.0.{i}" for i in range(1, 5))}
    assert reach(expected, "l1", False) == {
        f"10.0.{i}.{host}" for i in (2, 3, 4) for host in (1, 2)
    }


def test_two_fabrics_behind_one_gateway() -> None:
    expected = expectations(
        """\
fleet: f
networks:
  one: {cidr: 10.1.0.0/24}
  two: {cidr: 10.2.0.0/24}
  edge: {cidr: 10.3.0.0/24}
nodes:
  a: {addresses: {one: 10.1.0.2}}
  b: {addresses: {two: 10.2.0.2}}
  gate: {addresses: {one: 10.1.0.1, two: 10.2.0.1, edge: 10.3.0.1}, gateway: true}
  leaf: {addresses: {edge: 10.3.0.2}, via: {one: gate, two: gate}}
"""
    )
    assert routes(expected, "route") == {
        "leaf: 10.1.0.0/24 via 10.3.0.1 (gate)",
        "leaf: 10.2.0.0/24 via 10.3.0.1 (gate)",
    }
    assert routes(expected, "return") == {
        "a: 10.3.0.0/24 via 10.1.0.1 (gate)",
        "b: 10.3.0.0/24 via 10.2.0.1 (gate)",
    }
    assert reach(expected, "a", False) == {"10.2.0.1", "10.2.0.2"}
    assert reach(expected, "leaf", True) == {
        "10.1.0.1",
        "10.1.0.2",
        "10.2.0.1",
        "10.2.0.2",
        "10.3.0.1",
    }


def test_a_lab_on_one_network_needs_no_routes() -> None:
    expected = expectations(
        """\
fleet: f
networks: {lan: {cidr: 10.0.0.0/24, control: true}}
nodes:
  a: {os: linux, addresses: {lan: 10.0.0.1}}
  b: {os: linux, addresses: {lan: 10.0.0.2}}
"""
    )
    assert expected.routes == ()
    assert expected.forwarding == frozenset()
    assert [(one.node, str(one.to), one.expected) for one in expected.reach] == [
        ("a", "10.0.0.2", True),
        ("b", "10.0.0.1", True),
    ]


PEERS = """\
fleet: f
networks:
  wifi: {cidr: 10.9.0.0/24, control: true}
  fabric: {cidr: 10.0.0.0/24}
  edge: {cidr: 10.0.1.0/24}
nodes:
  leaf: {addresses: {wifi: 10.9.0.2, edge: 10.0.1.2}, via: {fabric: gate}}
  gate: {addresses: {wifi: 10.9.0.1, fabric: 10.0.0.1, edge: 10.0.1.1}, gateway: true}
  peer: PEER
"""


def test_a_gateway_on_cable_and_wifi_is_reached_over_the_cable() -> None:
    expected = expectations(PEERS.replace("PEER", "{addresses: {fabric: 10.0.0.3}}"))
    assert routes(expected, "route") == {"leaf: 10.0.0.0/24 via 10.0.1.1 (gate)"}
    assert routes(expected, "return") == {"peer: 10.0.1.0/24 via 10.0.0.1 (gate)"}


def test_a_node_on_the_edge_itself_needs_no_return_route() -> None:
    peer = "{addresses: {fabric: 10.0.0.3, edge: 10.0.1.3}}"
    assert routes(expectations(PEERS.replace("PEER", peer)), "return") == set()


def test_a_node_that_cannot_be_logged_into_has_no_expected_route() -> None:
    peer = "{connection: none, addresses: {fabric: 10.0.0.3}}"
    expected = expectations(PEERS.replace("PEER", peer))
    assert routes(expected, "return") == set()
    assert reach(expected, "gate", True) == {"10.9.0.2", "10.0.1.2", "10.0.0.3"}


def test_a_route_that_the_user_chose_has_priority_over_a_derived_one() -> None:
    text = PEERS.replace("PEER", "{addresses: {fabric: 10.0.0.3}, via: {edge: second}}")
    text += "  second: {addresses: {fabric: 10.0.0.4, edge: 10.0.1.4}, gateway: true}\n"
    expected = expectations(text)
    assert routes(expected, "route") == {
        "leaf: 10.0.0.0/24 via 10.0.1.1 (gate)",
        "peer: 10.0.1.0/24 via 10.0.0.4 (second)",
    }
    assert "10.0.1.2" in reach(expected, "peer", True)


def test_a_control_network_is_never_forbidden() -> None:
    expected = expectations(PEERS.replace("PEER", "{addresses: {fabric: 10.0.0.3}}"))
    assert reach(expected, "peer", False) == set()
