"""Lossy and slow links: each is one problem, told where it is, alone and beside other faults."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address
from itertools import combinations
from random import Random

import pytest
from msgspec.structs import replace

from fleetctl.config import load_text
from fleetctl.health.assess import Checked, assess
from fleetctl.health.network.paths import Place
from fleetctl.health.network.quality import Degraded, doubtful
from fleetctl.model.expectations import derive
from fleetctl.model.look import Look
from fleetctl.model.network import Echo, EchoRound
from fleetctl.model.topology import Fleet
from tests.health.test_diagnosis import MANY, Break, faults
from tests.health.world import ECHOES, World
from tests.lab.fleets import GUIDE

Link = tuple[str, str]
"""A node and a network."""
Told = tuple[str, str | None]
"""A code and a node."""


def measured(text: str) -> Fleet:
    """With a round trip of 2 ms expected on every network."""
    lines = [
        line.replace("}", ", expect: {rtt_ms: 2}}")
        if " cidr: " in line or "{cidr:" in line
        else line
        for line in text.splitlines()
    ]
    return load_text("\n".join(lines), "nodes.yaml")


FLEETS = {"guide": measured(GUIDE), "many": measured(MANY)}
CLUSTER = FLEETS["guide"]
FLAT = measured(re.sub(r"    via: .*\n", "", GUIDE))
"""The same networks, without gateways."""
MINI1, MINI2, MINI3 = (IPv4Address(f"10.10.0.{n}") for n in (1, 2, 3))


def links(fleet: Fleet) -> Iterator[Link]:
    for name, node in fleet.nodes.items():
        for network in node.addresses:
            yield name, network


def told_at(world: World, link: Link) -> str:
    """A bad cable is told at its end that is no gateway, or at the first one."""
    name, network = link
    ends = [n for n, node in world.fleet.nodes.items() if network in node.addresses]
    if len(ends) > 2:
        return name
    return min(ends, key=lambda end: (end in world.expectations.forwarding, ends.index(end)))


def lossy(world: World, link: Link, share: float = 0.3) -> Told:
    world.hosts[link[0]].loses[link[1]] = share
    return "packet-loss", told_at(world, link)


def slow(world: World, link: Link, delay_ms: float = 2.0) -> Told:
    world.hosts[link[0]].delays_ms[link[1]] = delay_ms
    return "rtt-high", told_at(world, link)


def told(world: World) -> list[Told]:
    return [(p.code, p.node) for p in world.check().status.problems]


def name_of(value: object) -> str | None:
    return "-".join(value) if isinstance(value, tuple) else None


EVERY = pytest.mark.parametrize(
    ("fleet", "share"),
    [
        ("guide", 3),
        ("many", 23),
        pytest.param("guide", 1, marks=pytest.mark.long),
        pytest.param("many", 1, marks=pytest.mark.long),
    ],
)
"""One pair of so many; all of the larger fleet take a minute."""

ALL = [(fleet, link) for fleet, f in FLEETS.items() for link in links(f)]


@pytest.mark.parametrize("act", [lossy, slow])
@pytest.mark.parametrize(("fleet", "link"), ALL, ids=name_of)
def test_a_bad_link_is_one_problem(
    fleet: str, link: Link, act: Callable[[World, Link], Told]
) -> None:
    world = World(FLEETS[fleet])
    expected = act(world, link)
    assert told(world) == [expected]
    assert world.check("status").status.problems == ()


@pytest.mark.parametrize("fleet", FLEETS)
def test_a_link_that_loses_a_tenth_is_mostly_found_and_never_taken_for_another(fleet: str) -> None:
    found = 0
    for number, link in enumerate(links(FLEETS[fleet])):
        world = World(FLEETS[fleet])
        world.chance = Random(number)
        expected = lossy(world, link, 0.12)
        assert told(world) in ([], [expected])
        found += bool(told(world))
    assert found * 2 > len(list(links(FLEETS[fleet])))


@EVERY
def test_two_bad_links_are_two_problems(fleet: str, share: int) -> None:
    wrong = []
    for one, other in list(combinations(links(FLEETS[fleet]), 2))[::share]:
        if one[1] == other[1]:
            continue  # what is lost between the two cannot be told apart
        for act, second in ((lossy, lossy), (slow, slow), (lossy, slow)):
            world = World(FLEETS[fleet])
            expected = {act(world, one), second(world, other)}
            if (found := set(told(world))) != expected:
                wrong.append(f"{act.__name__} {one}, {second.__name__} {other}: {found}")
    assert wrong == []


@EVERY
def test_a_bad_link_beside_another_fault_changes_nothing_of_it(fleet: str, share: int) -> None:
    wrong = []
    for (kind, node, act), link in product_of(FLEETS[fleet], 7 * share):
        world = World(FLEETS[fleet])
        act(world)
        alone = world.errors()
        act_on = lossy(world, link)
        if _two_left(world, link[1]):
            continue  # which end it is cannot be told
        found = set(told(world))
        if found - {act_on} != alone:
            wrong.append(f"{kind} {node}, {link}: {found}, not {alone}")
    assert wrong == []


def _two_left(world: World, network: str) -> bool:
    hosts = world.hosts.values()
    return sum(host.up(network) and network not in host.missing for host in hosts) == 2


def product_of(fleet: Fleet, every: int) -> Iterator[tuple[tuple[str, str, Break], Link]]:
    """Each fault with some links."""
    pairs = [(f, link) for f in faults(fleet) for link in links(fleet) if link[0] != f[1]]
    yield from pairs[::every]


def test_a_slow_cable_names_what_it_affects() -> None:
    world = World(CLUSTER)
    slow(world, ("mini2", "fabric"), 3.0)
    (problem,) = world.check().status.problems
    assert problem.severity == "warning"
    assert problem.summary == (
        "mini2 needs 6.1 ms to mini1 and back on fabric, where 2 ms are expected"
    )
    assert problem.affects[:2] == ("mini1", "mini3")
    assert problem.evidence == "mini1: ping 10.10.0.2: shortest of several 6.1 ms"


def test_a_lossy_cable_names_what_it_affects() -> None:
    world = World(CLUSTER)
    lossy(world, ("pi5", "edge50"))
    (problem,) = world.check().status.problems
    assert problem.severity == "warning"
    assert problem.affects == ("mini1", "mini2", "mini3")
    assert " % of the echoes between pi5 and mini1 on edge50 are lost, where 1 % are " in (
        problem.summary
    )
    assert "echoes were lost; " in problem.evidence


def test_where_half_is_lost_it_is_an_error() -> None:
    world = World(CLUSTER)
    lossy(world, ("pi5", "edge50"), 0.7)
    (problem,) = world.check().status.problems
    assert (problem.code, problem.severity) == ("packet-loss", "error")
    assert problem.summary.endswith("; no connection gets anything done over it")


def test_an_address_that_is_silent_by_chance_belongs_to_the_lossy_link() -> None:
    world = World(CLUSTER)
    expected = lossy(world, ("mini2", "fabric"), 0.7)
    looks = looks_of(world)
    put(looks, "mini3", MINI2, None)
    assert [(p.code, p.node) for p in judged(world, looks).status.problems] == [expected]


# what several nodes share


def looks_of(world: World) -> dict[str, Look]:
    return {name: world.look(name, "check") for name in world.hosts}


def put(looks: dict[str, Look], node: str, to: IPv4Address, rounds: object) -> None:
    """What ``node`` measured; None: no echo came back."""
    facts = looks[node].facts
    assert facts
    network = facts.network
    given = {**network.rounds, to: rounds}
    echoes = {**network.echoes}
    if rounds is None:
        del given[to]
        echoes[to] = Echo(ECHOES, 0)
    looks[node] = Look(facts=replace(facts, network=replace(network, rounds=given, echoes=echoes)))


def judged(
    world: World, looks: dict[str, Look], standing: frozenset[Degraded] = frozenset()
) -> Checked:
    return assess(
        world.fleet,
        None,
        world.expectations,
        looks,
        duration_s=1.0,
        depth="check",
        standing=standing,
    )


def told_by(checked: Checked) -> list[Told]:
    return [(p.code, p.node) for p in checked.status.problems]


def rounds(*received: int, rtt_ms: float = 0.1) -> tuple[EchoRound, ...]:
    return tuple(EchoRound(slot, ECHOES, came, rtt_ms) for slot, came in enumerate(received))


PAIRS = [("mini1", MINI2), ("mini2", MINI1)]
FABRIC = [*PAIRS, ("mini1", MINI3), ("mini3", MINI1), ("mini2", MINI3), ("mini3", MINI2)]


@pytest.mark.parametrize(
    ("pairs", "node", "between"),
    [(PAIRS, "mini2", "between mini2 and mini1"), (FABRIC, None, "between all nodes")],
    ids=["two nodes", "all nodes"],
)
def test_what_joins_nodes_may_be_bad(
    pairs: list[tuple[str, IPv4Address]], node: str | None, between: str
) -> None:
    world = World(FLAT)
    looks = looks_of(world)
    for asker, to in pairs:
        put(looks, asker, to, rounds(5, 6))
    (problem,) = judged(world, looks).status.problems
    assert (problem.code, problem.node) == ("packet-loss", node)
    assert between in problem.summary
    looks = looks_of(world)
    for asker, to in pairs:
        put(looks, asker, to, rounds(10, 10, rtt_ms=9.0))
    (problem,) = judged(world, looks).status.problems
    assert (problem.code, problem.node) == ("rtt-high", node)


def test_a_path_is_judged_by_the_sum_of_its_networks() -> None:
    """pi4 reaches mini1 over edge51 and fabric; no single link of these need be slow."""
    world = World(CLUSTER)
    for rtt_ms, high in ((8.0, False), (8.1, True)):
        looks = looks_of(world)
        put(looks, "pi4", MINI1, rounds(10, rtt_ms=rtt_ms))
        problems = judged(world, looks).status.problems
        assert [(p.code, p.node) for p in problems] == ([("rtt-high", "pi4")] if high else [])
    assert problems[0].summary == (
        "pi4 needs 8.1 ms to mini1 and back on fabric, where 4 ms are expected"
    )


def test_a_slow_path_is_told_once_for_both_directions() -> None:
    """The Pis talk to each other over three links, each of which is fast enough by itself."""
    mesh = "jobs: {mesh: {services: {peer: {on: [pi5, pi4], command: x, peers: true}}}}"
    fleet = measured(f"{GUIDE}\n{mesh}\n")
    world = World(fleet)
    world.expectations = derive(fleet, fleet.jobs["mesh"])
    looks = looks_of(world)
    put(looks, "pi5", IPv4Address("192.168.51.4"), rounds(10, rtt_ms=20.0))
    assert told_by(judged(world, looks)) == [("rtt-high", "pi5")]
    put(looks, "pi4", IPv4Address("192.168.50.2"), rounds(10, rtt_ms=21.0))
    both = judged(world, looks)
    (problem,) = both.status.problems
    assert (problem.code, problem.node, problem.affects) == ("rtt-high", "pi5", ("pi4",))
    put(looks, "pi5", IPv4Address("192.168.51.4"), rounds(10, rtt_ms=0.1))
    assert told_by(judged(world, looks)) == [("rtt-high", "pi4")]
    assert told_by(judged(world, looks, both.degraded)) == [("rtt-high", "pi5")]


def test_a_path_over_a_network_without_an_expectation_is_not_judged() -> None:
    text = GUIDE.replace("kind: thunderbolt}", "kind: thunderbolt, expect: {rtt_ms: 2}}")
    world = World(load_text(text, "nodes.yaml"))
    looks = looks_of(world)
    put(looks, "pi4", MINI1, rounds(10, rtt_ms=500.0))
    assert judged(world, looks).status.problems == ()


# small numbers


def test_one_lost_echo_is_no_problem_and_no_reason_to_ask_again() -> None:
    world = World(CLUSTER)
    looks = looks_of(world)
    put(looks, "mini1", MINI2, rounds(9))
    assert judged(world, looks).status.problems == ()
    facts = {name: look.facts for name, look in looks.items() if look.facts}
    assert doubtful(CLUSTER, world.expectations, facts) == {}


def test_a_loss_that_does_not_show_twice_is_no_problem() -> None:
    world = World(CLUSTER)
    looks = looks_of(world)
    for asker, to in FABRIC:
        put(looks, asker, to, rounds(2))
    assert judged(world, looks).status.problems == ()
    facts = {name: look.facts for name, look in looks.items() if look.facts}
    again = doubtful(CLUSTER, world.expectations, facts)
    assert {(asker, to) for asker, to in FABRIC} <= {(n, a) for n, to in again.items() for a in to}
    for asker, to in FABRIC:
        put(looks, asker, to, rounds(2, 10))
    assert judged(world, looks).status.problems == ()


def test_a_burst_of_losses_while_watched_is_no_problem() -> None:
    world = World(CLUSTER)
    looks = looks_of(world)
    for asker, to in FABRIC:
        put(looks, asker, to, rounds(10, 4, 10, 10, 10))
    assert judged(world, looks).status.problems == ()


def test_networks_that_lose_what_is_expected_are_no_problem() -> None:
    for seed in range(100):
        world = World(CLUSTER)
        world.chance = Random(seed)
        for name, network in links(CLUSTER):
            world.hosts[name].loses[network] = 0.005  # two ends: the one percent of a network
        assert told(world) == []


def test_what_is_expected_is_up_to_nodes_yaml() -> None:
    text = GUIDE.replace("kind: thunderbolt}", "kind: thunderbolt, expect: {loss_percent: 40}}")
    world = World(load_text(text, "nodes.yaml"))
    lossy(world, ("mini2", "fabric"))
    assert told(world) == []


# raised and cleared


def test_a_loss_is_raised_at_another_threshold_than_it_is_cleared() -> None:
    world = World(FLAT)
    looks = looks_of(world)

    def all_get(*received: int) -> None:
        for asker, to in PAIRS:
            put(looks, asker, to, rounds(*received))

    all_get(9, 9, 10, 9, 10)
    assert judged(world, looks).degraded == frozenset()
    all_get(8, 7, 8, 9, 8)
    raised = judged(world, looks)
    assert [p.code for p in raised.status.problems] == ["packet-loss"]
    all_get(9, 9, 10, 9, 10)
    assert judged(world, looks).degraded == frozenset()
    still = judged(world, looks, standing=raised.degraded)
    assert (still.degraded, len(still.status.problems)) == (raised.degraded, 1)
    all_get(10, 10, 10, 10, 9)
    assert judged(world, looks, standing=raised.degraded).degraded == frozenset()


def test_a_known_loss_stays_where_it_is_while_other_nodes_are_not_heard() -> None:
    """Of the link between two nodes, with nothing of others, each end is as likely."""
    world = World(FLAT)
    looks = looks_of(world)
    for asker, to in (*PAIRS, ("mini1", MINI3), ("mini3", MINI1)):
        put(looks, asker, to, rounds(7, 8, 6))
    raised = judged(world, looks)
    assert [p.node for p in raised.status.problems] == ["mini1"]
    for name in ("mini1", "mini2"):
        put(looks, name, MINI3, None)
    looks = {name: looks[name] if name in ("mini1", "mini2") else Look() for name in looks}
    assert ("packet-loss", "mini2") in told_by(judged(world, looks))
    still = judged(world, looks, raised.degraded)
    assert ("packet-loss", "mini1") in told_by(still)
    assert still.degraded == raised.degraded


def test_a_known_loss_that_another_place_explains_is_not_told_beside_it() -> None:
    world = World(FLAT)
    looks = looks_of(world)
    between = frozenset({Degraded("packet-loss", Place("fabric", ("mini1", "mini2")))})
    for asker, to in (("mini1", MINI2), ("mini1", MINI3), ("mini3", MINI1)):
        put(looks, asker, to, rounds(5, 5, 5))
    put(looks, "mini2", MINI1, rounds(2, 2, 3))
    told = judged(world, looks, between).status.problems
    assert [(p.code, p.node) for p in told] == [("packet-loss", "mini1")]


def test_a_delay_is_raised_at_another_threshold_than_it_is_cleared() -> None:
    world = World(FLAT)
    looks = looks_of(world)

    def takes(rtt_ms: float) -> None:
        for asker, to in PAIRS:
            put(looks, asker, to, rounds(10, rtt_ms=rtt_ms))

    takes(3.9)
    assert judged(world, looks).degraded == frozenset()
    takes(4.1)
    raised = judged(world, looks)
    assert [p.code for p in raised.status.problems] == ["rtt-high"]
    takes(3.1)
    assert judged(world, looks, standing=raised.degraded).degraded == raised.degraded
    takes(2.9)
    assert judged(world, looks, standing=raised.degraded).degraded == frozenset()


def test_a_path_alone_is_told_only_if_it_was_slow_all_the_time() -> None:
    """While a link becomes slow, or fast again, its paths do so one after the other."""
    world = World(FLAT)
    for last_ms, told_of in ((9.0, [("rtt-high", "mini1")]), (0.1, [])):
        looks = looks_of(world)
        times = [9.0, 9.0, last_ms]
        put(looks, "mini1", MINI2, tuple(EchoRound(n, 10, 10, ms) for n, ms in enumerate(times)))
        problems = judged(world, looks).status.problems
        assert [(p.code, p.node) for p in problems] == told_of
