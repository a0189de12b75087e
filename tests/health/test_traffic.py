"""Over which networks a job's connections go: on simulated machines that run one."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from fleetctl.config import load_text
from fleetctl.model.status import ConnectionStatus
from fleetctl.words.check import connection_lines
from tests.health.world import World
from tests.lab.fleets import GUIDE

FABRIC1 = IPv4Address("10.10.0.1")


def world(listen: str) -> World:
    jobs = f"""
jobs:
  train:
    services:
      server: {{on: mini1, command: serve, listen: '{listen}'}}
      worker: {{on: [mini2, mini3, pi5], command: work, after: [server]}}
"""
    fleet = load_text(GUIDE + jobs, "nodes.yaml")
    return World(fleet, job=fleet.jobs["train"])


def connections(of: World) -> dict[str, ConnectionStatus]:
    services = of.check().status.services
    return {n: c for n, s in services.items() for c in s.connections or ()}


def test_connections_over_the_best_network_are_well() -> None:
    """pi5 is on the fabric by its gateway, over its edge."""
    healthy = world("fabric:6000")
    assert healthy.check().status.problems == ()
    found = connections(healthy)
    assert {n: (c.network, c.ok, c.expected) for n, c in found.items()} == {
        "worker@mini2": ("fabric", True, None),
        "worker@mini3": ("fabric", True, None),
        "worker@pi5": ("edge50", True, None),
    }


def test_a_listen_on_the_control_network_is_one_warning_for_all_that_use_it() -> None:
    found = world("wifi:6000")
    (problem,) = found.check().status.problems
    assert (problem.code, problem.severity, problem.node) == ("data-over-control", "warning", None)
    assert problem.summary.startswith(
        "worker@mini2, worker@mini3 and worker@pi5 send data over wifi, a control network, to "
        "192.168.1.11:6000: a better one leads there, on which 10.10.0.1:6000 or "
        "192.168.50.1:6000 is the address"
    )
    assert problem.affects == ("worker@mini2", "worker@mini3", "worker@pi5")
    line = next(iter(connection_lines(found.check().status, "mini2")))
    assert (line.ok, line.expected) == (False, "connected to 10.10.0.1:6000")
    assert line.seen == "over wifi, from 192.168.1.12 to 192.168.1.11:6000"


def test_a_better_network_may_be_behind_a_gateway() -> None:
    """pi5 has one with mini1, pi4 a way to one."""
    text = GUIDE + (
        "jobs: {job: {services: {a: {on: mini1, command: a, listen: 'wifi:6000'}, "
        "b: {on: [pi5, pi4], command: b, after: [a]}}}}\n"
    )
    fleet = load_text(text, "nodes.yaml")
    found = World(fleet, job=fleet.jobs["job"])
    assert {n: (c.ok, c.expected) for n, c in connections(found).items()} == {
        "b@pi5": (False, "192.168.50.1:6000"),
        "b@pi4": (False, "10.10.0.1:6000"),
    }
    (problem,) = found.check().status.problems
    assert (problem.node, problem.affects) == (None, ("b@pi5", "b@pi4"))


def test_a_detour_is_told_and_not_what_follows_from_it() -> None:
    found = world("fabric:6000")
    wifi = IPv4Address("192.168.1.11")
    found.hosts["mini2"].detours[IPv4Network(FABRIC1)] = (wifi, "wifi")
    (problem,) = found.check().status.problems
    assert (problem.code, problem.node) == ("route-wrong-interface", "mini2")
    assert problem.affects == ("worker@mini2",)
    mini2 = connections(found)["worker@mini2"]
    assert (mini2.network, mini2.ok, mini2.expected) == ("wifi", False, "10.10.0.1:6000")
