"""Cables between the same nodes are drawn as one; services are counted; what can do nothing is not
green."""

from __future__ import annotations

from itertools import combinations

import pytest

from fleetctl.config import load_text
from fleetctl.model.topology import Fleet
from fleetctl.tui.topology import Topology, draw
from fleetctl.tui.topology.meshes import meshed
from tests.health.world import World
from tests.tui.stage import FLEET, JOB


def cabled(*cables: str, more: str = "") -> Fleet:
    """A fleet whose nodes are letters; a cable is two of them."""
    nodes = sorted(set("".join(cables)))
    lines = ["fleet: f", "networks:", "  lan: {cidr: 10.0.0.0/24, control: true}"]
    lines += [
        f"  {cable}: {{cidr: 10.1.{n}.0/30, kind: thunderbolt}}" for n, cable in enumerate(cables)
    ]
    lines += ["nodes:"]
    for place, node in enumerate(nodes, 1):
        mine = [
            f"{cable}: 10.1.{n}.{1 + cable.index(node)}"
            for n, cable in enumerate(cables)
            if node in cable
        ]
        addresses = ", ".join([f"lan: 10.0.0.{place}", *mine])
        ssh = f"ssh: {{host: 10.0.0.{place}}}"
        lines.append(f"  {node}: {{{ssh}, gateway: true, addresses: {{{addresses}}}}}")
    lines += ["internet: null", "jobs:", "  j: {services: {w: {on: a, command: x}" + more + "}}"]
    return load_text("\n".join(lines), "nodes.yaml")


FOUR = tuple("".join(pair) for pair in combinations("abcd", 2))


@pytest.mark.parametrize(
    ("cables", "meshes"),
    [
        (("ab", "bc"), []),
        (("ab", "bc", "ac"), [("ab", "bc", "ac")]),
        (FOUR, [FOUR]),
        ((*FOUR, "de"), [FOUR]),
        (("ab", "bc", "cd", "ad"), []),  # a ring is none
        (("ab", "bc", "ac", "de", "ef", "df"), [("ab", "bc", "ac"), ("de", "ef", "df")]),
    ],
)
def test_which_cables_are_a_mesh(cables: tuple[str, ...], meshes: list[tuple[str, ...]]) -> None:
    found = meshed(cabled(*cables))
    assert list(found.cables.values()) == meshes
    assert len(found.fleet.networks) == 1 + len(cables) - sum(map(len, meshes)) + len(meshes)


def test_a_mesh_is_drawn_without_a_wire_over_another() -> None:
    fleet = cabled(*FOUR)
    drawing = draw(fleet, fleet.jobs["j"], World(fleet).check().status, 80, 20)
    assert "mesh of 6 cables · thunderbolt" in drawing.plain
    assert "┿" not in drawing.plain
    topology = Topology(fleet, fleet.jobs["j"])
    assert topology.cables("a", "mesh1") == ("ab", "ac", "ad")
    assert topology.cables("a", "lan") == ("lan",)


def test_a_broken_cable_of_a_mesh_shows_at_both_its_ends() -> None:
    fleet = cabled("ab", "bc", "ac")
    world = World(fleet)
    world.hosts["a"].carrier["ab"] = False
    plain = draw(fleet, fleet.jobs["j"], world.check().status, 80, 20).plain
    line = next(line for line in plain.splitlines() if "━" in line)
    assert [mark for mark in line if mark in "●✖?"][:3] == ["✖", "✖", "●"]


def test_several_services_of_a_node_are_counted() -> None:
    more = ", w2: {on: a, command: x}, w3: {on: a, command: x}, a-longer-name: {on: a, command: x}"
    fleet = cabled("ab", more=more)
    assert "4 instances ?" in draw(fleet, fleet.jobs["j"], None, 80, 20).plain


def test_what_another_cuts_off_is_not_green() -> None:
    world = World(FLEET, job=JOB)
    world.hosts["mini3"].forwarding = False
    status = world.check().status
    drawing = Topology(FLEET, JOB).draw(status, 80, 20)
    row, column = drawing.places["pi4"]
    lines = drawing.plain.splitlines()
    assert lines[row][column:].startswith("▲ pi4")
    assert "worker ●" not in lines[row + 1][column:]
