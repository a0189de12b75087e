"""Instances that talk to each other: the ways that this needs, written by hand from the wiring."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetctl.config import load_text, load_with_notes
from fleetctl.config.expansion import expand
from fleetctl.errors import ConfigError
from fleetctl.model.expectations import derive
from fleetctl.model.topology import Fleet
from tests.model.test_expectations import SHIPPED, reach, routes

WORKERS = "        after: [server]             # waits"


def shipped(peers: str) -> Fleet:
    text = SHIPPED.read_text()
    assert text.count(WORKERS) == 1
    return load_text(text.replace(WORKERS, f"        peers: {peers}\n{WORKERS}"), str(SHIPPED))


@pytest.mark.parametrize(("peers", "from_pi4"), [("true", "192.168.51.2"), ("fabric", "10.10.0.3")])
def test_on_the_guides_cables_each_pi_gets_a_way_to_the_other(peers: str, from_pi4: str) -> None:
    fleet = shipped(peers)
    expected = derive(fleet)
    assert routes(expected, "route") == {
        "pi5: 10.10.0.0/24 via 192.168.50.1 (mini1)",
        "pi5: 192.168.51.0/24 via 192.168.50.1 (mini1)",
        "mini1: 192.168.51.0/24 via 10.10.0.3 (mini3)",
        "pi4: 10.10.0.0/24 via 192.168.51.2 (mini3)",
        "pi4: 192.168.50.0/24 via 192.168.51.2 (mini3)",
        "mini3: 192.168.50.0/24 via 10.10.0.1 (mini1)",
        "mini2: 192.168.50.0/24 via 10.10.0.1 (mini1)",
        "mini2: 192.168.51.0/24 via 10.10.0.3 (mini3)",
    }
    assert routes(expected, "return") == set()
    assert expected.forwarding == {"mini1", "mini3"}
    edges = {"192.168.50.1", "192.168.50.2", "192.168.51.2", "192.168.51.4"}
    for node in ("mini2", "mini3", "pi5", "pi4"):
        assert edges <= reach(expected, node, True) | set(
            map(str, fleet.nodes[node].addresses.values())
        )
        assert reach(expected, node, False) == set()
    found = {i.node: i.peers for i in fleet.jobs["edp"].services["worker"].instances}
    assert {node: {k: str(v) for k, v in peers.items()} for node, peers in found.items()} == {
        "mini2": {"mini3": "10.10.0.3", "pi5": "192.168.50.2", "pi4": "192.168.51.4"},
        "mini3": {"pi5": "192.168.50.2", "pi4": "192.168.51.4", "mini2": "10.10.0.2"},
        "pi5": {"pi4": "192.168.51.4", "mini2": "10.10.0.2", "mini3": "10.10.0.3"},
        "pi4": {"mini2": "10.10.0.2", "mini3": from_pi4, "pi5": "192.168.50.2"},
    }


def test_without_it_nothing_is_added() -> None:
    fleet, bare = shipped("false"), load_text(SHIPPED.read_text(), str(SHIPPED))
    assert derive(fleet) == derive(bare)
    assert fleet.jobs == bare.jobs


def test_config_show_has_the_ways() -> None:
    shown = expand(shipped("true"))
    assert shown["nodes"]["pi5"]["via"] == {"fabric": "mini1", "edge51": "mini1"}
    worker = shown["jobs"]["edp"]["services"]["worker"]["instances"]["worker@pi5"]
    assert worker["peers"]["pi4"] == "192.168.51.4"


CHAIN = """\
fleet: f
networks:
  wifi: {cidr: 192.168.1.0/24, kind: wifi, control: true}
  one: {cidr: 10.0.1.0/24}
  two: {cidr: 10.0.2.0/24}
  three: {cidr: 10.0.3.0/24}
nodes:
  a: {addresses: {wifi: 192.168.1.1, one: 10.0.1.1}}
  ab: {addresses: {one: 10.0.1.9, two: 10.0.2.1}, gateway: true}
  bc: {addresses: {two: 10.0.2.9, three: 10.0.3.1}, gateway: GATEWAY}
  c: {addresses: {wifi: 192.168.1.3, three: 10.0.3.9}}
  here: {connection: local}
  far: {addresses: {wifi: 192.168.1.4}}
internet: null
jobs:
  j: MORE
    services:
      s: {on: ON, command: x, peers: PEERS}
"""


def chain(peers: str = "true", on: str = "[a, c]", gateway: str = "true", more: str = "") -> str:
    words = {"PEERS": peers, "ON": on, "GATEWAY": gateway, "MORE": f"\n    {more}" if more else ""}
    text = CHAIN
    for word, value in words.items():
        text = text.replace(word, value)
    return text


def notes(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "nodes.yaml"
    path.write_text(text)
    return [note.partition(": warning: ")[2] for note in load_with_notes(path)[1]]


def test_through_gateways_that_have_no_via() -> None:
    fleet = load_text(chain(), "nodes.yaml")
    assert {name: dict(node.via) for name, node in fleet.nodes.items() if node.via} == {
        "a": {"three": "ab"},
        "ab": {"three": "bc"},
        "c": {"one": "bc"},
        "bc": {"one": "ab"},
    }
    assert derive(fleet).forwarding == {"ab", "bc"}


def test_a_named_network_is_reached_from_all(tmp_path: Path) -> None:
    fleet = load_text(chain("two", "[a, c]"), "nodes.yaml")
    assert dict(fleet.nodes["a"].via) == {"two": "ab", "three": "ab"}
    assert dict(fleet.nodes["c"].via) == {"two": "bc", "one": "bc"}
    assert notes(tmp_path, chain("wifi", "[a, c]")) == []
    on_wifi = load_text(chain("wifi", "[a, c]"), "nodes.yaml")
    assert not any(node.via for node in on_wifi.nodes.values())
    (first, _) = on_wifi.jobs["j"].instances
    assert {name: str(address) for name, address in first.peers.items()} == {"c": "192.168.1.3"}


def test_what_nodes_yaml_says_is_kept() -> None:
    text = chain().replace("one: 10.0.1.1}}", "one: 10.0.1.1}, via: {three: ab}}")
    text = text.replace("gateway: true}\n  bc", "gateway: true, via: {three: bc}}\n  bc")
    assert derive(load_text(text, "nodes.yaml")) == derive(load_text(chain(), "nodes.yaml"))


def test_an_elastic_job_waits_for_no_peer() -> None:
    fleet = load_text(chain(more="elastic: true"), "nodes.yaml")
    assert fleet.nodes["a"].via == {"three": "ab"}
    assert [dict(i.peers) for i in fleet.jobs["j"].instances] == [{}, {}]


def test_many_wait_for_those_that_follow() -> None:
    names = [f"n{number}" for number in range(20)]
    nodes = "".join(f"  {n}: {{addresses: {{lan: 10.0.0.{k}}}}}\n" for k, n in enumerate(names, 1))
    text = (
        f"fleet: f\nnetworks: {{lan: {{cidr: 10.0.0.0/24}}}}\nnodes:\n{nodes}jobs:\n"
        f"  j: {{services: {{s: {{on: {names}, command: x, peers: true}}}}}}\n"
    )
    last = load_text(text, "nodes.yaml").jobs["j"].instances[-1]
    assert list(last.peers) == names[:12]


def test_where_only_a_control_network_is_left(tmp_path: Path) -> None:
    (warning,) = notes(tmp_path, chain(gateway="false"))
    assert warning.startswith(
        "instances of service 's' reach each other over the control network 'wifi', of those on a, "
        "c: no other network"
    )


@pytest.mark.parametrize(
    ("peers", "on", "says"),
    [
        ("fabrik", "[a, c]", "unknown network 'fabrik' in peers: "),
        (
            "true",
            "[bc, far]",
            "not all instances of service 's' have a way to each other, of those",
        ),
        ("two", "[a, c]", "have a way to each other over network 'two', of those on a, c"),
    ],
)
def test_mistakes(peers: str, on: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(chain(peers, on, "false"), "nodes.yaml")
    (line,) = str(caught.value).splitlines()
    assert says in line
    assert line.startswith("nodes.yaml:18:")


def test_nodes_of_which_nothing_is_known_are_left_out() -> None:
    fleet = load_text(chain(on="[a, here, c]"), "nodes.yaml")
    assert [sorted(i.peers) for i in fleet.jobs["j"].instances] == [["c"], [], ["a"]]
