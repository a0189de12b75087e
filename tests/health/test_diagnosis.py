"""Every fault, alone and in pairs, on every node of several topologies: its cause is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network
from itertools import combinations

import pytest
from msgspec.structs import replace

from fleetctl.cli.render import status_lines
from fleetctl.config import load_text
from fleetctl.health.assess import assess
from fleetctl.model.look import Look
from fleetctl.model.status import Problem
from fleetctl.model.topology import Fleet
from fleetctl.words.check import about
from tests.health.world import World, reached_directly_alone
from tests.lab.fleets import GUIDE

MANY = """\
fleet: many
networks:
  lan:   {cidr: 192.168.1.0/24, kind: wifi, control: true}
  fab-a: {cidr: 10.10.0.0/24, kind: thunderbolt}
  fab-b: {cidr: 10.20.0.0/24, kind: thunderbolt}
  edge1: {cidr: 192.168.51.0/24}
  edge2: {cidr: 192.168.52.0/24}
  deep:  {cidr: 192.168.53.0/24}
internet: 8.8.8.8
nodes:
  g1:
    ssh: {host: 192.168.1.11}
    addresses: {lan: 192.168.1.11, fab-a: 10.10.0.1, edge1: 192.168.51.1}
    gateway: true
  g2:
    ssh: {host: 192.168.1.12}
    addresses: {lan: 192.168.1.12, fab-a: 10.10.0.2, fab-b: 10.20.0.2}
    via: {edge1: g1}
    gateway: true
  g3:
    ssh: {host: 192.168.1.13}
    addresses: {lan: 192.168.1.13, fab-b: 10.20.0.3, edge2: 192.168.52.1}
    gateway: true
  m:
    ssh: {host: 192.168.1.14}
    addresses: {lan: 192.168.1.14, fab-a: 10.10.0.4, fab-b: 10.20.0.4}
  n:
    ssh: {host: 192.168.1.15}
    addresses: {lan: 192.168.1.15, fab-a: 10.10.0.5}
    via: {fab-b: g2}
  p:
    ssh: {host: 192.168.1.21}
    addresses: {lan: 192.168.1.21, edge1: 192.168.51.2}
    via: {fab-a: g1}
  q:
    ssh: {host: 192.168.1.22}
    addresses: {lan: 192.168.1.22, edge2: 192.168.52.2, deep: 192.168.53.1}
    via: {fab-b: g3}
    gateway: true
  jet:
    ssh: {host: 192.168.53.2, proxy_jump: q}
    addresses: {deep: 192.168.53.2}
    via: {fab-b: q}
"""
"""Four gateways, two fabrics, and an edge behind an edge."""

TEXTS = {"guide": GUIDE, "many": MANY}
FLEETS = {name: load_text(text, "nodes.yaml") for name, text in TEXTS.items()}

Expected = set[tuple[str, str | None]]
WIFI_DOWN = "the node has no Wi-Fi"
Break = Callable[[World], Expected]


def _power(world: World, name: str) -> Expected:
    world.hosts[name].powered = False
    external = world.fleet.nodes[name].connection == "none"
    return {("unreachable" if external else "ssh-timeout", name)}


def _wifi(world: World, name: str) -> Expected:
    for network in world.hosts[name].addresses:
        if world.fleet.networks[network].control:
            world.hosts[name].carrier[network] = False
    return {(WIFI_DOWN, name)}


def _seen(world: World, expected: Expected) -> Expected:
    """``expected``, where a node without Wi-Fi can be asked only through another one."""
    codes = {True: "interface-down", False: "ssh-timeout"}
    return {
        (codes[world.reached(str(name))] if code == WIFI_DOWN else code, name)
        for code, name in expected
    }


def _forwarding(world: World, name: str) -> Expected:
    world.hosts[name].forwarding = False
    return {("forwarding-off", name)}


def _routes(kind: str, code: str) -> Callable[[World, str], Expected]:
    def act(world: World, name: str) -> Expected:
        for r in world.expectations.routes_of(name):
            if r.kind == kind:
                world.hosts[name].routes.pop(r.to, None)
        return {(code, name)}

    return act


def _wrong(world: World, name: str) -> Expected:
    for route in world.expectations.routes_of(name):
        if other := _other_gateway(world, name, route.via):
            world.hosts[name].routes[route.to] = other
    return {("route-wrong-gateway", name)}


def _other_gateway(world: World, name: str, via: IPv4Address) -> IPv4Address | None:
    """A neighbour on the gateway's network that is no gateway."""
    for network, address in world.fleet.nodes[name].addresses.items():
        if via not in world.fleet.networks[network].cidr:
            continue
        for peer in world.fleet.nodes.values():
            there = peer.addresses.get(network)
            if there not in (None, via, address) and peer.name not in world.expectations.forwarding:
                return there
    return None


def _stolen(world: World, name: str) -> Expected:
    for network in world.fleet.nodes[name].addresses:
        if world.fleet.networks[network].control:
            continue
        for peer in world.fleet.nodes.values():
            if peer.name != name and network in peer.addresses:
                world.hosts[name].stolen = (peer.addresses[network], network)
                return {("default-route-stolen", name)}
    raise AssertionError(name)


def _detour(link: Callable[[World, str], str]) -> Callable[[World, str], Expected]:
    """A route takes the packets to a peer away from the network on which both are."""

    def act(world: World, name: str) -> Expected:
        network = _cluster_networks(world.fleet, name)[0]
        peer = _peers(world.fleet, name, network)[0]
        world.hosts[name].detours[IPv4Network(peer)] = (None, link(world, name))
        return {("route-wrong-interface", name)}

    return act


def _control_link(world: World, name: str) -> str:
    return next(n for n in world.hosts[name].addresses if world.fleet.networks[n].control)


def _vpn(world: World, name: str) -> Expected:
    """A VPN takes all of a network, also one behind gateways."""
    networks = [*_cluster_networks(world.fleet, name), *world.fleet.nodes[name].via]
    network = world.fleet.networks[networks[-1]]
    world.hosts[name].detours[network.cidr] = (None, "tailscale0")
    return {("route-wrong-interface", name)}


def _peers(fleet: Fleet, name: str, network: str) -> list[IPv4Address]:
    others = (n for n in fleet.nodes.values() if n.name != name)
    return [n.addresses[network] for n in others if network in n.addresses]


def _address(world: World, name: str) -> Expected:
    network = _cluster_networks(world.fleet, name)[0]
    world.hosts[name].missing.add(network)
    # if SSH itself uses that address, the node cannot be asked any more
    inside = _on_control(world.fleet, name)
    return {("address-missing" if inside else "ssh-timeout", name)}


def _narrow(world: World, name: str) -> Expected:
    return _mask(world, name, 30)


def _wide(world: World, name: str) -> Expected:
    return _mask(world, name, 16)


def _mask(world: World, name: str, length: int) -> Expected:
    network = _cluster_networks(world.fleet, name)[0]
    world.hosts[name].prefixes[network] = length
    inside = _on_control(world.fleet, name) or world.reached(name)
    return {("address-wrong-prefix" if inside else "ssh-timeout", name)}


def _twin(world: World, name: str) -> Expected:
    """The node has the address of another one, too."""
    network = _cluster_networks(world.fleet, name)[0]
    owner = _twin_of(world.fleet, name)
    assert owner
    world.hosts[name].twins[network] = owner
    return {("address-duplicate" if world.reached(name) else "ssh-timeout", name)}


def _twin_of(fleet: Fleet, name: str) -> IPv4Address | None:
    """The address of a neighbour that keeps its SSH when it has a twin."""
    for network in _cluster_networks(fleet, name)[:1]:
        for peer in fleet.nodes.values():
            inside = _on_control(fleet, peer.name) and peer.connection == "ssh"
            if peer.name != name and network in peer.addresses and inside:
                return peer.addresses[network]
    return None


def _port(world: World, name: str) -> Expected:
    """A port of a shared network is dead; the other nodes keep their carrier."""
    shared = [n for n in _cluster_networks(world.fleet, name) if _members(world.fleet, n) > 2]
    world.hosts[name].carrier[shared[0]] = False
    return {("interface-down", name)}


def _on_control(fleet: Fleet, name: str) -> bool:
    return any(fleet.networks[n].control for n in fleet.nodes[name].addresses)


def _cluster_networks(fleet: Fleet, name: str) -> list[str]:
    return [n for n in fleet.nodes[name].addresses if not fleet.networks[n].control]


def _members(fleet: Fleet, network: str) -> int:
    return sum(network in n.addresses for n in fleet.nodes.values())


def faults(fleet: Fleet) -> Iterator[tuple[str, str, Break]]:
    """Kind, node and action of every fault that is possible in ``fleet``."""
    world = World(fleet)
    for name, node in fleet.nodes.items():
        yield from _of_node(world, name, node.connection)


def _of_node(world: World, name: str, connection: str) -> Iterator[tuple[str, str, Break]]:
    def of(act: Callable[[World, str], Expected]) -> Break:
        return lambda w: act(w, name)

    if connection == "local":
        return
    yield "power-off", name, of(_power)
    if connection == "none":
        return
    cluster = _cluster_networks(world.fleet, name)
    kinds = {r.kind for r in world.expectations.routes_of(name)}
    if _on_control(world.fleet, name):
        yield "wifi-down", name, of(_wifi)
    if name in world.expectations.forwarding:
        yield "forwarding-off", name, of(_forwarding)
    if "route" in kinds:
        yield "route-missing", name, of(_routes("route", "route-missing"))
    if "return" in kinds:
        yield "return-route-missing", name, of(_routes("return", "return-route-missing"))
    if any(_other_gateway(world, name, r.via) for r in world.expectations.routes_of(name)):
        yield "wrong-gateway", name, of(_wrong)
    if cluster and _on_control(world.fleet, name):
        yield "default-route-stolen", name, of(_stolen)
    if cluster and _on_control(world.fleet, name):
        yield "detour", name, of(_detour(_control_link))
        yield "vpn", name, of(_vpn)
    if cluster:
        yield "address-missing", name, of(_address)
        yield "wide-prefix", name, of(_wide)
        yield "narrow-prefix", name, of(_narrow)
    if _twin_of(world.fleet, name):
        yield "twin-address", name, of(_twin)
    if any(_members(world.fleet, n) > 2 for n in cluster):
        yield "fabric-down", name, of(_port)


LONG = pytest.mark.long
ALL = [(fleet, *fault) for fleet, f in FLEETS.items() for fault in faults(f)]


@pytest.mark.parametrize("fleet", FLEETS)
def test_a_healthy_fleet_yields_nothing(fleet: str) -> None:
    for depth in ("check", "status"):
        checked = World(FLEETS[fleet]).check(depth)
        assert checked.status.problems == ()
        assert checked.status.healthy


@pytest.mark.parametrize(
    ("fleet", "kind", "node", "act"), ALL, ids=[f"{f}-{k}-{n}" for f, k, n, _ in ALL]
)
def test_one_fault_is_one_problem(fleet: str, kind: str, node: str, act: Break) -> None:
    world = World(FLEETS[fleet])
    expected = _seen(world, act(world))
    for depth in ("check", "status"):
        assert world.errors(depth) == expected, depth


@pytest.mark.parametrize(
    ("fleet", "every"), [(f, 41) for f in FLEETS] + [pytest.param(f, 1, marks=LONG) for f in FLEETS]
)
def test_two_faults_are_two_problems(fleet: str, every: int) -> None:
    """On two nodes; only what a node that cannot be asked hides is not reported. All pairs take
    minutes."""
    wrong = []
    pairs = list(combinations(list(faults(FLEETS[fleet])), 2))
    for (kind, node, act), (kind2, node2, act2) in pairs[::every]:
        if node == node2:
            continue
        world = World(FLEETS[fleet])
        expected = _seen(world, act(world) | act2(world))
        expected -= _hidden(world, expected)
        found = world.errors()
        if found != expected:
            wrong.append(f"{kind} {node} + {kind2} {node2}: {found ^ expected}")
    assert wrong == []


def test_a_missing_route_shows_despite_a_stolen_default_route() -> None:
    """It may lead to the right gateway: then packets go right, until it is repaired."""
    for name, code in (("pi5", "route-missing"), ("mini3", "return-route-missing")):
        world = World(FLEETS["guide"])
        world.hosts[name].routes.clear()
        expected = _stolen(world, name) | {(code, name)}
        assert world.errors() == expected


def _hidden(world: World, expected: Expected) -> Expected:
    """What cannot be known while something else is broken."""
    return {
        (code, name)
        for code, name in expected
        if name and (_dead_cable(world, code, name) or _behind_a_lost_jump(world, name))
    }


def _dead_cable(world: World, code: str, name: str) -> bool:
    """NetworkManager may have removed the address with the carrier: wait for the power."""
    host = world.hosts[name]
    return code in ("address-missing", "address-wrong-prefix") and any(
        network in far.addresses and not far.powered and _members(world.fleet, network) == 2
        for network in (*host.missing, *host.prefixes)
        for other, far in world.hosts.items()
        if other != name
    )


def _behind_a_lost_jump(world: World, name: str) -> bool:
    jump = world.fleet.nodes[name].ssh.proxy_jump
    return jump is not None and not world.reached(jump)


def test_as_the_guide_says_the_return_routes_are_missing_and_nothing_else() -> None:
    checked = World(FLEETS["guide"], as_guide=True).check()
    problems = {(p.code, p.node): p for p in checked.status.problems}
    assert set(problems) == {("return-route-missing", f"mini{n}") for n in (1, 2, 3)}
    assert problems["return-route-missing", "mini1"].affects == ("pi4",)
    assert problems["return-route-missing", "mini2"].affects == ("pi5", "pi4")
    assert problems["return-route-missing", "mini3"].affects == ("pi5",)


def test_a_pulled_cable_is_one_problem_at_the_end_with_no_other_cable() -> None:
    for end in ("mini1", "pi5"):
        world = World(FLEETS["guide"])
        world.hosts[end].carrier["edge50"] = False
        (problem,) = world.check().status.problems
        assert (problem.code, problem.node) == ("interface-down", "pi5")
        assert problem.affects == ("mini1",)


def test_a_lost_node_that_answers_others_is_not_dead() -> None:
    world = World(reached_directly_alone(FLEETS["guide"]))
    _wifi(world, "mini2")
    (problem,) = world.check().status.problems
    assert (
        "The machine itself runs, since it answers mini1 at 10.10.0.2 on fabric" in problem.summary
    )
    world = World(FLEETS["guide"])
    _power(world, "mini2")
    (problem,) = world.check().status.problems
    assert "itself runs" not in problem.summary


@pytest.mark.parametrize(("before_s", "runs"), [(20, True), (-1, False), (1, False)])
def test_what_others_heard_before_a_watched_node_was_lost_tells_nothing(
    before_s: float, runs: bool
) -> None:
    """The newest echoes may be as old as the last look, and the power has failed since."""
    world = World(reached_directly_alone(FLEETS["guide"]))
    _wifi(world, "mini2")
    looks = {name: world.look(name, "check") for name in world.hosts}
    facts = looks["mini1"].facts
    assert facts
    since = facts.measured_at - timedelta(seconds=before_s)
    looks["mini2"] = replace(looks["mini2"], lost_at=since)
    (problem,) = (p for p in _problems(world, looks) if p.severity == "error")
    assert ("itself runs" in problem.summary) is runs


def _problems(world: World, looks: Mapping[str, Look]) -> Sequence[Problem]:
    return assess(
        world.fleet, None, world.expectations, looks, duration_s=1.0, depth="check"
    ).status.problems


def test_a_node_without_wifi_says_so_itself_over_the_fabric() -> None:
    world = World(FLEETS["guide"])
    _wifi(world, "mini2")
    checked = world.check()
    (problem,) = checked.status.problems
    assert problem.summary.startswith("mini2: wlan0 has no carrier: it is not connected to wifi")
    told = checked.status.nodes["mini2"]
    assert told.ssh.via == "mini1"
    assert "ssh via mini1" in about(told, None)
    assert any("via mini1" in line for line in status_lines(checked.status))


def test_a_direct_way_that_is_silent_for_no_reason_that_is_seen_is_a_warning() -> None:
    world = World(FLEETS["guide"])
    looks = {name: world.look(name, "check") for name in world.hosts}
    for name in ("mini2", "pi5"):
        looks[name] = replace(looks[name], via="mini1", bypassed="no answer from its address")
    found = _problems(world, looks)
    assert [(p.code, p.severity, p.node) for p in found] == [
        ("ssh-second-way", "warning", "mini2"),
        ("ssh-second-way", "warning", "pi5"),
    ]
    assert found[0].summary == "mini2 is reached through mini1 alone: no answer from its address"
    looks["mini1"] = replace(looks["mini1"], via="mini3", bypassed="no answer")
    assert [p.node for p in _problems(world, looks)] == ["mini1"]


def test_an_address_that_must_not_be_reached_is_reported() -> None:
    world = World(FLEETS["guide"])
    world.hosts["pi5"].routes[FLEETS["guide"].networks["edge51"].cidr] = IPv4Address("192.168.50.1")
    assert world.errors() == {("not-isolated", "pi5")}
    assert world.errors("status") == set()  # it does not ping what must not answer


def test_a_way_that_is_not_told_is_unknown_and_no_fault() -> None:
    """As by an `ip` that is too old: the table is right, but what is used is not known."""
    why = "ip is too old to say"
    world = World(FLEETS["guide"])
    looks = {name: world.look(name, "check") for name in world.hosts}
    told = looks["pi5"].facts
    assert told
    assert told.network.routes
    unread = {f"way to {address}": why for address in told.network.taken}
    network = replace(told.network, taken={})
    looks["pi5"] = Look(facts=replace(told, network=network, unknown=unread))
    checked = assess(world.fleet, None, world.expectations, looks, duration_s=1.0, depth="check")
    assert checked.status.problems == ()
    assert [(r.ok, r.reason) for r in checked.status.nodes["pi5"].routes] == [(None, why)] * 2
    # what the table shows to be wrong is told all the same
    looks["pi5"] = Look(
        facts=replace(
            told, network=replace(network, routes=told.network.routes[1:]), unknown=unread
        )
    )
    checked = assess(world.fleet, None, world.expectations, looks, duration_s=1.0, depth="check")
    assert [(p.code, p.node) for p in checked.status.problems] == [("route-missing", "pi5")]
