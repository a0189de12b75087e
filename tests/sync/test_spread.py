"""From which node each node gets what is shared."""

from __future__ import annotations

from collections.abc import Mapping

from fleetctl.config import load_text
from fleetctl.sync.spread import Edge, Spread, spread

FLEET = load_text(
    """\
fleet: f
internet: null
networks: {fabric: {cidr: 10.1.0.0/24}, side: {cidr: 10.2.0.0/24}, far: {cidr: 10.3.0.0/24}}
nodes:
  a: {addresses: {fabric: 10.1.0.1}}
  b: {gateway: true, addresses: {fabric: 10.1.0.2, side: 10.2.0.2}}
  c: {addresses: {fabric: 10.1.0.3}}
  pi: {gateway: true, addresses: {side: 10.2.0.3, far: 10.3.0.3}, via: {fabric: b}}
  far: {addresses: {far: 10.3.0.4}, via: {fabric: pi}}
  off: {}
""",
    "nodes.yaml",
)
SIZES = {"x": 10, "y": 1}
A_B = Edge("a", "b", "b", "10.1.0.2")
B_C = Edge("b", "c", "c", "10.1.0.3")
B_PI = Edge("b", "pi", "b", "10.1.0.2")


def plan(lacks: Mapping[str, str]) -> tuple[Spread | None, Mapping[str, str]]:
    """``lacks``: by node, a letter for each file."""
    return spread(FLEET, "fabric", {n: tuple(paths) for n, paths in lacks.items()}, SIZES)


def test_a_chain_in_the_order_of_the_file() -> None:
    assert plan({"a": "xy", "b": "xy", "c": "xy"}) == (Spread("a", (A_B, B_C)), {})


def test_behind_the_one_that_has_most_of_it() -> None:
    found, _ = plan({"a": "x", "b": "y", "c": "xy"})
    assert found == Spread("b", (Edge("b", "a", "a", "10.1.0.1"), Edge("a", "c", "c", "10.1.0.3")))
    assert plan({"a": "", "b": "", "c": "x"}) == (
        Spread("a", (Edge("a", "c", "c", "10.1.0.3"),)),
        {},
    )


def test_a_node_behind_a_gateway_connects_to_it() -> None:
    found, direct = plan({"a": "x", "b": "x", "pi": "x", "far": "x", "off": "x"})
    assert found == Spread("a", (A_B, B_PI, Edge("b", "far", "b", "10.1.0.2")))
    assert direct == {"off": "it has no way to fabric"}


def test_or_to_the_last_of_the_chain_where_its_gateway_takes_no_part() -> None:
    assert plan({"a": "x", "pi": "x"})[0] == Spread("a", (Edge("a", "pi", "a", "10.1.0.1"),))


def test_with_nobody_to_send_to_there_is_no_tree() -> None:
    assert plan({"a": "x"}) == plan({"a": "", "b": ""}) == (None, {})
    assert plan({"pi": "x", "off": ""}) == (None, {"pi": "no node on fabric takes part"})
