"""Drawings of the topology: some as they must look, and properties of all."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from rich.cells import cell_len

from fleetctl.config import load, load_text
from fleetctl.model.status import FleetStatus, ServiceState, ServiceStatus
from fleetctl.model.topology import Fleet
from fleetctl.tui.topology import Drawing, Target, draw
from tests.health.test_diagnosis import FLEETS
from tests.health.world import World
from tests.thoroughness import examples

GUIDE = load(Path(__file__).parents[2] / "nodes.yaml")
EDP = GUIDE.jobs["edp"]
STATES: dict[str, ServiceState] = {"server@mini1": "ready", "worker@pi4": "waiting"}


def seen(world: World) -> FleetStatus:
    """The world's status, with the services of the shipped job as in STATES, else running."""
    services = {
        i.name: ServiceStatus(i.service, i.node, i.rank, STATES.get(i.name, "running"))
        for i in EDP.instances
    }
    return replace(world.check().status, services=services)


def guide(world: World | None, columns: int, rows: int) -> str:
    return draw(GUIDE, EDP, seen(world) if world else None, columns, rows).plain


def drawn(fleet: Fleet, columns: int, rows: int) -> str:
    return draw(fleet, None, World(fleet).check().status, columns, rows).plain


def test_the_guides_fleet_as_small_as_it_gets() -> None:
    assert (
        guide(World(GUIDE), 36, 8)
        == """\
fabric 10.10.0.0/24 · thunderbolt
━●━━━━━━━━━━━●━━━━━━━━━━━●━
 ● mini1     ● mini2     ● mini3
━●━●━ edge50            ━●━●━ edge51
 ● pi5                   ● pi4
wifi 192.168.1.0/24 · control
━● mini1 ━━● mini2 ━━● mini3 ━━● pi5
━● pi4 ━━● macbook ━━□ ipad"""
    )


def test_with_more_room_it_says_what_runs_there_and_how_long_packets_take() -> None:
    assert (
        guide(World(GUIDE), 58, 12)
        == """\
fabric 10.10.0.0/24 · thunderbolt
━●━0.1ms━━━━━━━━━●━0.1ms━━━━━━━━━●━0.1ms
 ● mini1         ● mini2         ● mini3
   server ●        worker ◐        worker ◐
━●━●━ edge50 0.1ms              ━●━●━ edge51 0.1ms
 ● pi5                           ● pi4
   worker ◐                        worker ○

wifi 192.168.1.0/24 · control
━● mini1 ━━● mini2 ━━● mini3 ━━● pi5 ━━● pi4
━● macbook (this machine) ━━□ ipad"""
    )


def test_with_plenty_of_room_each_link_says_its_address() -> None:
    assert (
        guide(World(GUIDE), 80, 20)
        == """\
fabric 10.10.0.0/24 · thunderbolt
━●━━━━━━━━━━━━━━━━━━━━━━━●━━━━━━━━━━━━━━━━━━━━━━━●━
 │ 10.10.0.1 0.1ms       │ 10.10.0.2 0.1ms       │ 10.10.0.3 0.1ms
 ● mini1                 ● mini2                 ● mini3
   server ●                worker ◐                worker ◐
   │ 192.168.50.1                                  │ 192.168.51.2
━●━●━ edge50 192.168.50.0/24 · ethernet         ━●━●━ edge51 192.168.51.0/24
 │ 192.168.50.2 0.1ms                            │ 192.168.51.4 0.1ms
 ● pi5                                           ● pi4
   worker ◐                                        worker ○

wifi 192.168.1.0/24 · control
━● mini1 ━━● mini2 ━━● mini3 ━━● pi5 ━━● pi4 ━━● macbook (this machine) ━━□ ipad"""
    )


def test_before_any_answer_everything_is_at_its_place_and_nothing_is_claimed() -> None:
    assert (
        guide(None, 36, 8)
        == """\
fabric 10.10.0.0/24 · thunderbolt
━?━━━━━━━━━━━?━━━━━━━━━━━?━
 ? mini1     ? mini2     ? mini3
━?━?━ edge50            ━?━?━ edge51
 ? pi5                   ? pi4
wifi 192.168.1.0/24 · control
━? mini1 ━━? mini2 ━━? mini3 ━━? pi5
━? pi4 ━━? macbook ━━□ ipad"""
    )


def test_a_pulled_cable_is_wrong_at_both_ends() -> None:
    world = World(GUIDE)
    world.hosts["pi4"].carrier["edge51"] = False
    assert (
        guide(world, 36, 8)
        == """\
fabric 10.10.0.0/24 · thunderbolt
━●━━━━━━━━━━━●━━━━━━━━━━━●━
 ● mini1     ● mini2     ● mini3
━●━●━ edge50            ━✖━✖━ edge51
 ● pi5                   ▲ pi4
wifi 192.168.1.0/24 · control
━● mini1 ━━● mini2 ━━● mini3 ━━● pi5
━● pi4 ━━● macbook ━━□ ipad"""
    )


def test_a_node_that_lost_only_its_wifi_is_not_drawn_as_gone() -> None:
    world = World(GUIDE)
    world.hosts["mini3"].carrier["wifi"] = False
    assert (
        guide(world, 36, 8)
        == """\
fabric 10.10.0.0/24 · thunderbolt
━●━━━━━━━━━━━●━━━━━━━━━━━●━
 ● mini1     ● mini2     ▲ mini3
━●━●━ edge50            ━●━●━ edge51
 ● pi5                   ● pi4
wifi 192.168.1.0/24 · control
━● mini1 ━━● mini2 ━━✖ mini3 ━━● pi5
━● pi4 ━━● macbook ━━□ ipad"""
    )
    world.hosts["mini3"].powered = False
    assert " ✖ mini3\n" in guide(world, 36, 8)


def broken() -> World:
    world = World(GUIDE)
    world.hosts["pi4"].carrier["edge51"] = False
    world.hosts["ipad"].powered = False
    return world


def test_an_instance_whose_node_lost_its_cable_takes_no_part() -> None:
    world = World(GUIDE)
    services = {i.name: ServiceStatus(i.service, i.node, i.rank, "ready") for i in EDP.instances}
    for pulled in (False, True):
        world.hosts["mini2"].carrier["fabric"] = not pulled
        status = replace(world.check().status, services=services)
        text = draw(GUIDE, EDP, status, 58, 12).plain
        assert (text.count("worker ●"), text.count("worker ▲")) == (4 - pulled, pulled)


def test_a_node_behind_a_gateway_that_is_broken_is_not_well() -> None:
    world = World(GUIDE)
    world.hosts["mini3"].forwarding = False
    text = guide(world, 58, 12)
    assert "▲ mini3" in text
    assert "▲ pi4" in text  # its own links work
    assert "● pi5" in text


def test_a_round_trip_is_coloured_by_what_its_network_expects_and_else_not() -> None:
    def tones(fleet: Fleet, rtt_ms: float) -> dict[str, str | None]:
        status = seen(World(GUIDE))
        nodes = {
            name: replace(
                node,
                reachability=tuple(
                    replace(row, rtt_ms=rtt_ms if row.rtt_ms else None) for row in node.reachability
                ),
            )
            for name, node in status.nodes.items()
        }
        drawing = draw(fleet, EDP, replace(status, nodes=nodes), 80, 20)
        return {
            cell.target.network: cell.tone
            for row in drawing.rows
            for cell in row
            if cell.target and cell.target.network and cell.text.rstrip().endswith(f"{rtt_ms:g}ms")
        }

    assert tones(GUIDE, 0.1) == {"fabric": "good", "edge50": "good", "edge51": "good"}
    assert tones(GUIDE, 2.9) == {"fabric": "doubt", "edge50": "good", "edge51": "good"}
    edge51 = replace(GUIDE.networks["edge51"], expect_rtt_ms=None)
    fleet = replace(GUIDE, networks={**GUIDE.networks, "edge51": edge51})
    assert tones(fleet, 9) == {"fabric": "doubt", "edge50": "doubt", "edge51": "quiet"}


def test_where_the_picture_is_too_wide_each_network_is_a_line_of_names() -> None:
    assert (
        guide(broken(), 30, 20)
        == """\
fabric 10.10.0.0/24
━● mini1 (server ●)
━● mini2 (worker ◐)
━● mini3 (worker ◐)

edge50 192.168.50.0/24
━● mini1 ━━● pi5 (worker ◐)

edge51 192.168.51.0/24
━✖ mini3 ━━✖ pi4 (worker ○)

wifi 192.168.1.0/24 · control
━● mini1 ━━● mini2 ━━● mini3
━● pi5 ━━● pi4
━● macbook (this machine)
━✖ ipad"""
    )
    assert (
        guide(broken(), 30, 10)
        == """\
fabric 10.10.0.0/24
━● mini1 ━━● mini2 ━━● mini3
edge50 192.168.50.0/24
━● mini1 ━━● pi5
edge51 192.168.51.0/24
━✖ mini3 ━━✖ pi4
wifi 192.168.1.0/24 · control
━● mini1 ━━● mini2 ━━● mini3
━● pi5 ━━● pi4 ━━● macbook
━✖ ipad"""
    )


def test_without_room_for_names_they_are_counted_but_for_those_that_are_not_well() -> None:
    assert (
        guide(broken(), 20, 3)
        == """\
fabric  ● 3
edge50  ● 2
edge51  ✖ 2
 ✖ mini3  ✖ pi4
wifi  ● 5  ✖ 1  ▲ 1
 ✖ ipad  ▲ pi4"""
    )


def test_what_nearly_fits_is_drawn_to_be_scrolled() -> None:
    assert guide(broken(), 36, 4) == guide(broken(), 36, 8)


@pytest.mark.parametrize(("worst", "sign"), [("failed", "✖"), ("unhealthy", "▲")])
def test_of_several_services_the_worst_state_is_marked(worst: ServiceState, sign: str) -> None:
    job = GUIDE.jobs["ipad-inference"]
    states: dict[str, ServiceState] = {"frontend": worst}
    services = {
        i.name: ServiceStatus(i.service, i.node, i.rank, states.get(i.service, "ready"))
        for i in job.instances
    }
    status = replace(World(GUIDE).check().status, services=services)
    last = draw(GUIDE, job, status, 60, 12).plain.splitlines()[-1]
    assert last == f"━● macbook (api, frontend {sign}) ━━□ ipad (rank1 ●)"


def test_four_gateways_two_fabrics_and_an_edge_behind_an_edge() -> None:
    assert (
        drawn(FLEETS["many"], 60, 14)
        == """\
fab-a 10.10.0.0/24 · thunderbolt
━●━━━━━━━━━━━━━━━●━━━━━━━━━━━━━━━●━━━━━━━━━━━━━━━●━
 ● g1            ● g2            ● m             ● n
━●━●━ edge1     ━●━●━━━━━━━━━━━━━━━●━ fab-b 10.20.0.0/24
 ● p             ● g3
                ━●━●━ edge2 192.168.52.0/24 · ethernet
                 ● q
                ━●━●━ deep 192.168.53.0/24 · ethernet
                 ● jet
lan 192.168.1.0/24 · wifi · control
━● g1 ━━● g2 ━━● g3 ━━● m ━━● n ━━● p ━━● q ━━● this machine"""
    )


def fleet(networks: Mapping[str, object], nodes: Mapping[str, object]) -> Fleet:
    return load_text(json.dumps({"fleet": "f", "networks": networks, "nodes": nodes}), "nodes.yaml")


def star(members: int) -> Fleet:
    nodes = {f"n{i}": {"addresses": {"lan": f"10.0.0.{i}"}} for i in range(1, members + 1)}
    return fleet({"lan": {"cidr": "10.0.0.0/24"}}, nodes)


def test_a_line_that_is_too_long_breaks() -> None:
    assert (
        drawn(star(12), 60, 14)
        == """\
lan 10.0.0.0/24 · ethernet
┏●━━━━━━●━━━━━━●━━━━━━●━━━━━━●━━━━━━●━━━━━━●━━━━━━●━0.1ms
┃● n1   ● n2   ● n3   ● n4   ● n5   ● n6   ● n7   ● n8
┗●━━━━━━●━━━━━━●━━━━━━●━0.1ms
 ● n9   ● n10  ● n11  ● n12"""
    )
    assert (
        drawn(star(3), 60, 14)
        == """\
lan 10.0.0.0/24 · ethernet
━●━━━━━●━━━━━●━0.1ms
 ● n1  ● n2  ● n3"""
    )


def wired(**members: str) -> Fleet:
    """A network for each word; its letters are the nodes on it."""
    names = sorted({letter for letters in members.values() for letter in letters})
    where = {
        name: {n: f"10.{i}.0.{place}" for i, (n, on) in enumerate(members.items()) if name in on}
        for place, name in enumerate(names, 1)
    }
    return fleet(
        {n: {"cidr": f"10.{i}.0.0/24"} for i, n in enumerate(members)},
        {name: {"addresses": addresses} for name, addresses in where.items()},
    )


def test_networks_that_share_no_node_stand_side_by_side_where_they_can() -> None:
    assert (
        drawn(wired(x="ab", y="cd"), 60, 6)
        == """\
x 10.0.0.0/24 · ethernet    y 10.1.0.0/24 · ethernet
━●━━━━●━0.1ms               ━●━━━━●━0.1ms
 ● a  ● b                    ● c  ● d"""
    )
    assert (
        drawn(wired(x="ab", y="cd"), 30, 7)
        == """\
x 10.0.0.0/24 · ethernet
━●━━━━●━0.1ms
 ● a  ● b

y 10.1.0.0/24 · ethernet
━●━━━━●━0.1ms
 ● c  ● d"""
    )


def test_a_link_that_passes_another_network_is_not_joined_to_it() -> None:
    assert (
        drawn(wired(x="abcd", y="ac", z="bd"), 40, 6)
        == """\
x 10.0.0.0/24 · ethernet
━●━━━━━━━●━━━━━━━●━━━━━━━●━0.1ms
 ● a     ● b     ● c     ● d
   │      ━●━━━━━━━┿━━━━━━━●━ z 0.1ms
  ━●━━━━━━━━━━━━━━━●━ y 0.1ms"""
    )
    assert (
        drawn(wired(x="abcd", y="ac", z="bd"), 60, 16)
        == """\
x 10.0.0.0/24 · ethernet
━●━━━━━━━●━━━━━━━●━━━━━━━●━
 │       │       │       │ 0.1ms
 ● a     ● b     ● c     ● d
   │       │       │       │
   │      ━●━━━━━━━┿━━━━━━━●━ z 10.2.0.0/24 · ethernet
  ━●━━━━━━━━━━━━━━━●━ y 10.1.0.0/24 · ethernet"""
    )
    assert (
        drawn(wired(x="abcdef", y="ace", z="bdf"), 60, 6)
        == """\
x 10.0.0.0/24 · ethernet
━●━━━━━━━●━━━━━━━●━━━━━━━●━━━━━━━●━━━━━━━●━0.1ms
 ● a     ● b     ● c     ● d     ● e     ● f
   │      ━●━━━━━━━┿━━━━━━━●━━━━━━━┿━━━━━━━●━ z 10.2.0.0/24
  ━●━0.1ms━━━━━━━━━●━0.1ms━━━━━━━━━●━ y 10.1.0.0/24"""
    )
    assert (
        drawn(wired(x="abc", y="ad", z="acd"), 40, 8)
        == """\
x 10.0.0.0/24 · ethernet
━●━0.1ms━━━━━━━━━━━━━●━0.1ms━━━━━●━
 ● a                 ● b         ● c
   │ ●━●━0.1ms━━━━━━━━━━━━━━━━━━━━━●━ z
━●━● │ y 10.1.0.0/24 · ethernet 0.1ms
 ● d"""
    )


def test_gateway_behind_gateway() -> None:
    links = [("g0", "g1"), ("g1", "g2"), ("g2", "g3")]
    nodes: dict[str, dict[str, dict[str, str]]] = {f"g{i}": {"addresses": {}} for i in range(4)}
    for number, ends in enumerate(links):
        for place, end in enumerate(ends, 1):
            nodes[end]["addresses"][f"e{number}"] = f"10.0.{number}.{place}"
    chain = fleet({f"e{i}": {"cidr": f"10.0.{i}.0/24"} for i in range(3)}, nodes)
    assert (
        drawn(chain, 36, 8)
        == """\
e0 10.0.0.0/24 · ethernet
━●━━━━━━━●━0.1ms
 ● g0    ● g1
        ━●━●━ e1 10.0.1.0/24 0.1ms
         ● g2
        ━●━●━ e2 10.0.2.0/24 0.1ms
         ● g3"""
    )


def test_hosts_without_a_network() -> None:
    plain = fleet({}, {f"host{i}": {} for i in range(1, 6)})
    assert (
        draw(plain, None, None, 36, 8).plain
        == """\
on no network of the file
 ? host1   ? host2   ? host3
 ? host4   ? host5"""
    )


def test_200_nodes_are_counted_and_those_not_well_are_named_worst_first() -> None:
    nodes = {
        f"n{i}": {"addresses": {"lan": f"10.0.0.{i}", "ib": f"10.1.0.{i}"}} for i in range(1, 201)
    }
    networks = {"lan": {"cidr": "10.0.0.0/24", "control": True}, "ib": {"cidr": "10.1.0.0/24"}}
    world = World(fleet(networks, nodes))
    world.hosts["n17"].carrier["ib"] = False
    world.hosts["n33"].powered = False
    status = world.check().status
    assert (
        draw(world.fleet, None, status, 60, 14).plain
        == """\
ib 10.1.0.0/24 · ethernet  ● 198  ✖ 2
 ✖ n17  ✖ n33

lan 10.0.0.0/24 · ethernet  ● 198  ✖ 1  ▲ 1
 ✖ n33  ▲ n17"""
    )
    assert (
        draw(world.fleet, None, None, 60, 14).plain
        == """\
ib 10.1.0.0/24 · ethernet  ? 200

lan 10.0.0.0/24 · ethernet  ? 200"""
    )


def test_wide_and_strange_letters_keep_the_columns() -> None:
    wide = fleet(
        {"lan": {"cidr": "10.0.0.0/24", "kind": "光纤\n\x1b[31m"}},
        {"a": {"addresses": {"lan": "10.0.0.1"}}},
    )
    drawing = draw(wide, None, None, 60, 14)
    assert drawing.plain.splitlines()[0] == "lan 10.0.0.0/24 · 光纤??[31m"
    assert draw(wide, None, None, 27, 14).plain.splitlines()[0] == "lan 10.0.0.0/24"
    assert draw(wide, None, None, 28, 14).plain.splitlines()[0].endswith("· 光纤??[31m")


def test_tones_match_marks_and_nothing_alarms_before_the_first_answer() -> None:
    def tones(drawing: Drawing, marks: str) -> set[str | None]:
        return {c.tone for row in drawing.rows for c in row if c.text.strip() in set(marks)}

    assert tones(draw(GUIDE, EDP, None, 58, 12), "?□") == {"quiet"}
    world = World(GUIDE)
    world.hosts["pi4"].powered = False
    drawing = draw(GUIDE, EDP, seen(world), 58, 12)
    assert tones(drawing, "✖") == {"bad"}
    assert tones(drawing, "●") == {"good"}
    assert {"bad"} == {c.tone for row in drawing.rows for c in row if c.text == "✖ pi4"}
    assert {None} == {c.tone for row in drawing.rows for c in row if c.text.strip() == "mini2"}
    # itself, its wifi, and mini3's end of the cable; its own end cannot be asked
    assert drawing.plain.count("✖") == 3


def test_with_only_control_networks_every_node_is_on_them() -> None:
    two = fleet(
        {
            "a": {"cidr": "10.0.0.0/24", "control": True},
            "b": {"cidr": "10.1.0.0/24", "control": True},
        },
        {
            "n": {"addresses": {"a": "10.0.0.1", "b": "10.1.0.1"}},
            "laptop": {"connection": "local"},
        },
    )
    assert (
        drawn(two, 60, 9)
        == """\
a 10.0.0.0/24 · ethernet · control
━●━━━━━━━━━━━━━━━━━
 ● n             ● laptop
                   this machine

b 10.1.0.0/24 · ethernet · control
━●━
 ● n"""
    )


def test_every_place_can_be_pointed_at() -> None:
    drawing = draw(GUIDE, EDP, None, 36, 8)
    assert drawing.target_at(0, 0) == Target(network="fabric")
    assert drawing.target_at(1, 1) == Target("mini1", "fabric")
    assert drawing.target_at(1, 2) == Target(network="fabric")
    assert [drawing.target_at(2, c) for c in (1, 7, 8)] == [Target("mini1"), Target("mini1"), None]
    assert drawing.target_at(3, 1) == Target("pi5", "edge50")
    assert drawing.target_at(3, 3) == Target("mini1", "edge50")
    assert drawing.target_at(6, 3) == Target("mini1", "wifi")
    assert [drawing.target_at(r, c) for r, c in ((-1, 0), (8, 0), (0, -1), (0, 99))] == [None] * 4


@pytest.mark.parametrize("size", [(36, 8), (58, 12), (60, 16), (80, 20), (120, 30)])
@pytest.mark.parametrize("name", FLEETS)
def test_nothing_moves_when_the_state_does(name: str, size: tuple[int, int]) -> None:
    before = draw(FLEETS[name], None, None, *size)
    for lost in FLEETS[name].nodes:
        world = World(FLEETS[name])
        world.hosts[lost].powered = False
        after = draw(world.fleet, None, world.check().status, *size)
        assert after.places == before.places
        assert _names(after) == _names(before)


def _names(drawing: Drawing) -> list[list[tuple[int, str]]]:
    """Every word with its place, without those of the state."""
    words = re.compile(r"[\w./-]+")
    return [
        [(m.start(), m[0]) for m in words.finditer(row) if not re.search(r"\dms$", m[0])]
        for row in drawing.plain.splitlines()
    ]


@st.composite
def fleets(draw_: st.DrawFn) -> Fleet:
    """Any wiring: nodes on none, some or all of a few networks, with random gateways."""
    count = draw_(st.integers(0, 5))
    networks = {
        f"net{i}" + "x" * draw_(st.integers(0, 9)): {
            "cidr": f"10.{i}.0.0/16",
            "control": draw_(st.booleans()),
            "kind": draw_(st.sampled_from(["wifi", "光纤", "ethernet"])),
        }
        for i in range(count)
    }
    nodes: dict[str, object] = {}
    local = draw_(st.integers(0, 20))
    for number in range(draw_(st.integers(1, 14))):
        on = draw_(st.lists(st.sampled_from(sorted(networks)), unique=True)) if networks else []
        where = {name: f"10.{sorted(networks).index(name)}.0.{number + 1}" for name in on}
        node: dict[str, object] = {"addresses": where, "gateway": draw_(st.booleans())}
        if number == local:
            node["connection"] = "local"
        elif draw_(st.integers(0, 5)) == 0:
            node["connection"] = "none"
        nodes[f"n{number}" + "y" * draw_(st.sampled_from([0, 0, 3, 30]))] = node
    return fleet(networks, nodes)


@settings(max_examples=examples(80), deadline=None)
@given(fleets(), st.integers(20, 130), st.integers(3, 40))
def test_any_fleet_at_any_size(some: Fleet, columns: int, rows: int) -> None:
    before = draw(some, None, None, columns, rows)
    after = draw(some, None, World(some).check().status, columns, rows)
    for drawing in (before, after):
        for row in drawing.rows:
            assert sum(cell_len(cell.text) for cell in row) <= columns
        for node, (row_at, column) in drawing.places.items():
            target = drawing.target_at(row_at, column)
            assert target is not None
            assert target.node == node
        targets = {cell.target for row in drawing.rows for cell in row}
        assert {Target(network=name) for name in some.networks} <= targets
        if set(drawing.places) != set(some.nodes):
            assert _counted(drawing) == _memberships(some), drawing.plain
    if before.places:
        assert after.places == before.places


def _counted(drawing: Drawing) -> int:
    return sum(int(n) for n in re.findall(r"[●✖▲?□] (\d+)\b", drawing.plain))


def _memberships(some: Fleet) -> int:
    """Places on networks, with those of nodes that are on none, and of the machine itself."""
    control = any(network.control for network in some.networks.values())
    return sum(len(node.addresses) or 1 for node in some.nodes.values()) + 0 * control
