"""The ways between instances that talk to each other: what is missing is named and repaired."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Network

import pytest

from fleetctl.config import load_text
from fleetctl.health.obstacles import obstacles
from fleetctl.model.plan import plan
from tests.health.world import World
from tests.lab.fleets import GUIDE

FLEET = load_text(
    GUIDE
    + """\
jobs:
  mesh:
    services:
      peer: {on: [pi5, pi4], command: x, peers: true}
""",
    "nodes.yaml",
)
EDGE50, EDGE51 = IPv4Network("192.168.50.0/24"), IPv4Network("192.168.51.0/24")


def without_route(node: str, to: IPv4Network) -> Callable[[World], object]:
    return lambda world: world.hosts[node].routes.pop(to)


def without_forwarding(node: str) -> Callable[[World], None]:
    def fault(world: World) -> None:
        world.hosts[node].forwarding = False

    return fault


def test_a_healthy_mesh_has_no_problem() -> None:
    checked = World(FLEET, job=FLEET.jobs["mesh"]).check()
    assert [p.code for p in checked.status.problems if p.severity == "error"] == []
    far = [r for r in checked.status.nodes["pi5"].reachability if r.to == "192.168.51.4"]
    assert [(r.expected, r.ok) for r in far] == [(True, True)]


@pytest.mark.parametrize(
    ("fault", "code", "node", "repaired_by"),
    [
        (without_route("pi5", EDGE51), "route-missing", "pi5", "192.168.51.0/24 via 192.168.50.1"),
        (without_route("mini1", EDGE51), "route-missing", "mini1", "192.168.51.0/24 via 10.10.0.3"),
        (without_route("mini3", EDGE50), "route-missing", "mini3", "192.168.50.0/24 via 10.10.0.1"),
        (without_route("pi4", EDGE50), "route-missing", "pi4", "192.168.50.0/24 via 192.168.51.2"),
        (without_forwarding("mini1"), "forwarding-off", "mini1", "ip_forward=1"),
        (without_forwarding("mini3"), "forwarding-off", "mini3", "ip_forward=1"),
    ],
)
def test_each_part_of_the_way_is_named_repaired_and_stops_a_start(
    fault: Callable[[World], object], code: str, node: str, repaired_by: str
) -> None:
    job = FLEET.jobs["mesh"]
    world = World(FLEET, job=job)
    fault(world)
    checked = world.check()
    (problem,) = (p for p in checked.status.problems if p.severity == "error")
    assert (problem.code, problem.node) == (code, node)
    assert problem.fix and repaired_by in " ".join(problem.fix.commands)
    steps = plan(job, job.instances)
    stopped = obstacles(FLEET, world.expectations, checked.status, steps, anew=True)
    assert {p.code for problems in stopped.values() for p in problems} == {code}
