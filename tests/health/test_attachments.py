"""Which attachments fail after unanswered pings, and whether a job's networks work for a node."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytest
from msgspec.structs import replace

from fleetctl.config import load, load_text
from fleetctl.health.attachments import (
    DataState,
    attachments,
    data_networks,
    data_states,
    link_rtts,
)
from fleetctl.health.kinds.reachability import PACKET_LOSS
from fleetctl.model.node_status import (
    AddressStatus,
    ForwardingStatus,
    NodeStatus,
    ReachStatus,
    SSHStatus,
)
from fleetctl.model.status import SCHEMA, FleetStatus
from fleetctl.model.topology import Fleet
from tests.health.test_diagnosis import FLEETS
from tests.health.world import World, reached_directly_alone

NODES_YAML = Path(__file__).parents[2] / "nodes.yaml"
LAN = load_text(
    """\
fleet: lan
networks: {lan: {cidr: 10.0.0.0/24}}
nodes:
  a: {addresses: {lan: 10.0.0.1}}
  b: {addresses: {lan: 10.0.0.2}}
  c: {addresses: {lan: 10.0.0.3}}
jobs:
  j:
    services:
      server: {on: a, command: x, listen: "lan:7000"}
      worker: {on: [b, c], command: x, after: [server]}
  several:
    services:
      server: {on: [a, b], command: x, listen: "lan:7000"}
      worker: {on: c, command: x, after: [server]}
""",
    "nodes.yaml",
)
JOB = LAN.jobs["j"]


Own = Mapping[str, bool | Literal["down"] | None]
"""What each node says of its own address; nodes that cannot be asked are left out."""
Echoes = Mapping[str, bool | float]
"""Under "ab": whether b answered a's ping, or after how many ms."""


def status(own: Own, echoes: Echoes) -> FleetStatus:
    nodes = {}
    for name in LAN.nodes:
        known = own.get(name)
        rows = tuple(
            ReachStatus(
                str(LAN.nodes[pair[1]].addresses["lan"]),
                pair[1],
                "lan",
                expected=True,
                observed=bool(came),
                rtt_ms=came if isinstance(came, float) else None,
                ok=bool(came),
            )
            for pair, came in echoes.items()
            if pair[0] == name
        )
        up = False if known == "down" else known
        address = AddressStatus("lan", "x", up=up, ok=None if known == "down" else known)
        reachable = known is not None
        nodes[name] = NodeStatus(
            "ok" if reachable else "unreachable",
            SSHStatus(reachable),
            None,
            (address,),
            (),
            ForwardingStatus(expected=False),
            rows,
            (),
        )
    return FleetStatus(SCHEMA, "lan", "j", datetime.now(UTC), 0.1, True, nodes, {}, ())


def place(fleet: Fleet, seen: FleetStatus, node: str, network: str) -> bool | None:
    return attachments(fleet, seen).get((node, network))


WELL: Own = {"a": True, "b": True, "c": True}


@pytest.mark.parametrize(
    ("own", "echoes", "places"),
    [
        pytest.param(WELL, {"ab": True, "bc": True}, (True, True, True), id="all well"),
        pytest.param({}, {}, (None, None, None), id="nothing known"),
        pytest.param(WELL, {}, (True, True, True), id="addresses are up, no ping was sent"),
        pytest.param(
            {**WELL, "b": False},
            {"ab": False, "cb": False, "ba": False},
            (True, False, True),
            id="b's own address is missing: no other node fails",
        ),
        pytest.param(
            {**WELL, "b": "down"},
            {"ab": False, "cb": False, "ba": False},
            (True, False, True),
            id="or that its interface is down",
        ),
        pytest.param(
            {**WELL, "b": False},
            {"ab": True, "cb": True},
            (True, False, True),
            id="even if another machine answers at that address",
        ),
        pytest.param(
            WELL,
            {"ab": False, "cb": False, "ba": False, "bc": False, "ac": True, "ca": True},
            (True, False, True),
            id="b answers no ping, a and c answer each other",
        ),
        pytest.param(
            WELL,
            {"ab": False, "ba": False, "ac": True, "bc": True},
            (True, True, True),
            id="only the pair fails: c answers both",
        ),
        pytest.param(
            WELL,
            {"ab": False, "ba": False, "ac": False, "ca": False, "bc": False, "cb": False},
            (False, False, False),
            id="no ping is answered: the switch",
        ),
        pytest.param(
            {"a": True, "c": True},
            {"ab": True, "ac": True, "cb": True},
            (True, True, True),
            id="b cannot be asked, and answers",
        ),
        pytest.param(
            {"a": True, "c": True},
            {"ab": False, "ac": True, "cb": False},
            (True, False, True),
            id="b cannot be asked, and does not answer",
        ),
        pytest.param(
            {"a": True, "c": True},
            {"ab": False, "cb": True},
            (False, True, True),
            id="b cannot be asked, and answers c but not a",
        ),
        pytest.param(
            {"a": True},
            {"ab": False, "ac": False},
            (None, False, False),
            id="only a can be asked, and gets no answer",
        ),
    ],
)
def test_which_attachments_fail(
    own: Own,
    echoes: Echoes,
    places: tuple[bool | None, bool | None, bool | None],
) -> None:
    seen = status(own, echoes)
    assert tuple(place(LAN, seen, name, "lan") for name in "abc") == places


def test_without_an_address_there_is_no_attachment() -> None:
    guide = FLEETS["guide"]
    healthy = World(guide).check().status
    assert place(guide, healthy, "mini2", "edge50") is None
    assert place(guide, healthy, "macbook", "wifi") is None


@pytest.mark.parametrize("fleet", FLEETS)
def test_in_a_healthy_fleet_all_attachments_and_job_networks_work(fleet: str) -> None:
    world = World(FLEETS[fleet])
    for depth in ("status", "check"):
        seen = world.check(depth).status
        held = attachments(world.fleet, seen)
        assert set(held) == {
            (n.name, net) for n in world.fleet.nodes.values() for net in n.addresses
        }
        assert set(held.values()) == {True}
        for name, state in data_states(world.fleet, None, seen).items():
            placed = any(
                not world.fleet.networks[n].control for n in world.fleet.nodes[name].addresses
            )
            assert state == DataState(True if placed else None), name


def test_a_node_without_wifi_still_works_on_the_fabric() -> None:
    world = World(reached_directly_alone(FLEETS["guide"]))
    world.hosts["mini2"].carrier["wifi"] = False
    seen = world.check().status
    assert seen.nodes["mini2"].ssh.reachable is False
    assert place(world.fleet, seen, "mini2", "wifi") is False
    assert place(world.fleet, seen, "mini2", "fabric") is True
    assert data_states(world.fleet, None, seen)["mini2"] == DataState(True)
    lossy = PACKET_LOSS.problem(
        "mini2", percent=9, which="to and from mini2", network="fabric", expected=1
    )
    states = data_states(world.fleet, None, replace(seen, problems=(lossy,)))
    assert (states["mini2"].poor, states["mini3"].poor) == (True, False)


def test_a_pulled_cable_fails_at_both_ends_and_nowhere_else() -> None:
    world = World(FLEETS["guide"])
    world.hosts["pi4"].carrier["edge51"] = False
    seen = world.check().status
    wrong = {place for place, holds in attachments(world.fleet, seen).items() if not holds}
    assert wrong == {("mini3", "edge51"), ("pi4", "edge51")}
    states = data_states(world.fleet, None, seen)
    assert {name for name, state in states.items() if state.ok is False} == {"mini3", "pi4"}
    assert states["pi4"].wrong > states["mini3"].wrong > 0


def test_a_node_off_the_fabric_does_not_make_the_others_wrong() -> None:
    world = World(FLEETS["guide"])
    world.hosts["mini2"].carrier["fabric"] = False
    seen = world.check().status
    states = data_states(world.fleet, None, seen)
    assert {name for name, state in states.items() if state.ok is False} == {"mini2"}
    assert states["mini1"] == DataState(True, wrong=1)


def test_a_gateway_that_does_not_forward_makes_nodes_behind_it_wrong() -> None:
    world = World(FLEETS["guide"])
    world.hosts["mini3"].forwarding = False
    seen = world.check().status
    assert place(world.fleet, seen, "pi4", "edge51") is True
    assert data_states(world.fleet, None, seen)["pi4"].ok is False
    assert data_states(world.fleet, None, seen)["mini3"].ok is True


def test_behind_a_gateway_what_was_not_measured_is_unknown() -> None:
    world = World(reached_directly_alone(FLEETS["guide"]))
    world.hosts["pi5"].carrier["wifi"] = False
    seen = world.check().status
    assert place(world.fleet, seen, "pi5", "edge50") is True
    assert data_states(world.fleet, None, seen)["pi5"].ok is None


def test_the_round_trip_is_the_one_to_a_dependency() -> None:
    seen = status(WELL, {"ba": 0.7, "bc": 0.9, "cb": 0.2, "ab": 0.4})
    assert data_states(LAN, JOB, seen)["b"] == DataState(True, 0, 0.7)
    assert data_states(LAN, JOB, seen)["c"].rtt_ms is None  # its ping to a was not measured
    assert data_states(LAN, JOB, seen)["a"].rtt_ms is None  # depends on nothing


def test_what_is_expected_of_a_round_trip_is_the_sum_over_its_way() -> None:
    world = World(load(NODES_YAML))
    states = data_states(world.fleet, world.fleet.jobs["edp"], world.check().status)
    assert states["mini2"].expect_rtt_ms == 0.5
    assert states["pi4"].expect_rtt_ms == 2.0  # the cable to its gateway, and the fabric
    networks = {**world.fleet.networks}
    networks["edge51"] = replace(networks["edge51"], expect_rtt_ms=None)
    fleet = replace(world.fleet, networks=networks)
    states = data_states(fleet, fleet.jobs["edp"], world.check().status)
    assert (states["pi4"].rtt_ms, states["pi4"].expect_rtt_ms) == (0.1, None)


def test_of_several_dependencies_the_longest_round_trip_counts() -> None:
    job = LAN.jobs["several"]
    for echoes in ({"ca": 0.7, "cb": 0.9}, {"ca": 0.9, "cb": 0.7}):
        assert data_states(LAN, job, status(WELL, echoes))["c"].rtt_ms == 0.9


def test_of_several_round_trips_on_a_link_the_shortest_counts() -> None:
    for echoes in ({"ab": 0.4, "ba": 0.7, "bc": 0.9}, {"ab": 0.7, "ba": 0.4, "bc": 0.9}):
        assert link_rtts(LAN, status(WELL, echoes)) == {
            ("a", "lan"): 0.4,
            ("b", "lan"): 0.4,
            ("c", "lan"): 0.9,
        }


def test_an_answer_of_a_gateway_at_its_far_address_proves_no_link_there() -> None:
    """pi5 pings mini1's fabric address, and mini1 answers over the cable between them."""
    world = World(FLEETS["guide"])
    world.hosts["mini1"].carrier |= {"fabric": False, "wifi": False}
    seen = world.check().status
    asked = {(r.node, r.network): r.observed for r in seen.nodes["pi5"].reachability}
    assert asked["mini1", "fabric"] is True
    assert place(world.fleet, seen, "mini1", "fabric") is False


def test_wrong_rows_count_only_on_the_jobs_networks() -> None:
    world = World(FLEETS["guide"])
    world.hosts["pi4"].routes.clear()
    states = data_states(world.fleet, None, world.check().status)
    # its route to the fabric, and each of the three there
    assert states["pi4"] == DataState(False, wrong=4)


SHARED = """\
fleet: f
networks:
  wifi: {cidr: 192.168.1.0/24, control: true}
  spare: {cidr: 10.9.0.0/24}
  fabric: {cidr: 10.10.0.0/24}
  edge: {cidr: 192.168.50.0/24}
nodes:
  g: {gateway: true, addresses: {wifi: 192.168.1.1, fabric: 10.10.0.1, edge: 192.168.50.1}}
  s: {addresses: {wifi: 192.168.1.2, fabric: 10.10.0.2, spare: 10.9.0.2}}
  p: {addresses: {wifi: 192.168.1.3, edge: 192.168.50.3}, via: {fabric: g}}
jobs:
  j:
    services:
      server: {on: s, command: x%s}
      worker: {on: %s, command: x, after: [server]}
"""


@pytest.mark.parametrize(
    ("listen", "worker", "networks"),
    [
        (', listen: "fabric:7"', "p", ("fabric", "edge")),
        (', listen: "fabric:7"', "g", ("fabric",)),
        (', listen: "10.9.0.2:7"', "g", ("spare",)),
        (', listen: "wifi:7"', "p", ("wifi",)),
        (', listen: "127.0.0.1:7"', "p", ("spare", "fabric", "edge")),
        ("", "p", ("spare", "fabric", "edge")),
    ],
)
def test_networks_of_the_jobs_traffic(listen: str, worker: str, networks: tuple[str, ...]) -> None:
    fleet = load_text(SHARED % (listen, worker), "nodes.yaml")
    assert data_networks(fleet, fleet.jobs["j"]) == networks


def test_without_a_job_all_networks_but_control_ones_or_all() -> None:
    assert data_networks(FLEETS["guide"], None) == ("fabric", "edge50", "edge51")
    only = load_text(
        "fleet: f\nnetworks: {w: {cidr: 10.0.0.0/24, control: true}}\nnodes: {a: {}}", "nodes.yaml"
    )
    assert data_networks(only, None) == ("w",)
