"""In which order nodes are reached, and which are reached through others."""

from __future__ import annotations

from fleetctl.config import load_text
from fleetctl.model.ways_in import behind, outward

FLEET = load_text(
    """\
fleet: f
internet: null
networks:
  fabric: {cidr: 10.10.0.0/24}
  edge: {cidr: 192.168.50.0/24}
  far: {cidr: 192.168.51.0/24}
nodes:
  last: {ssh: {proxy_jump: "pi,elsewhere"}, addresses: {far: 192.168.51.2}}
  pi:
    ssh: {proxy_jump: hub}
    addresses: {edge: 192.168.50.2, far: 192.168.51.1}
    via: {fabric: hub}
  mini: {addresses: {fabric: 10.10.0.2}}
  hub: {addresses: {fabric: 10.10.0.1, edge: 192.168.50.1}, gateway: true}
""",
    "nodes.yaml",
)


def test_gateways_come_before_what_is_behind_them() -> None:
    assert outward(FLEET, list(FLEET.nodes)) == ["hub", "mini", "pi", "last"]
    assert outward(FLEET, ["last", "mini", "pi"]) == ["mini", "pi", "last"]


def test_a_way_that_nodes_yaml_does_not_name_counts_as_well() -> None:
    """As where Wi-Fi is down, and the fabric still leads there."""
    assert outward(FLEET, ["hub", "mini"], {"hub": "mini"}) == ["mini", "hub"]
    assert behind(FLEET, "mini", FLEET.nodes, {"hub": "mini"}) == ["last", "pi", "hub"]


def test_what_is_reached_through_a_node() -> None:
    found = {name: behind(FLEET, name, FLEET.nodes) for name in FLEET.nodes}
    assert found == {"hub": ["last", "pi"], "pi": ["last"], "mini": [], "last": []}
