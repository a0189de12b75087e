"""One address on two machines: by what nodes tell, and by their neighbour tables."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address

from msgspec.structs import replace

from fleetctl.health.assess import assess
from fleetctl.model.look import Look
from fleetctl.model.network import Interface, Neighbour
from fleetctl.model.status import Problem
from tests.health.test_unexplained import CLUSTER
from tests.health.world import World

OWN, FOREIGN = "02:00:00:00:00:%02x", "2c:cf:67:11:22:33"
MINI3 = IPv4Address("10.10.0.3")
PI5 = IPv4Address("192.168.50.2")


def problems(world: World, tables: dict[str, Sequence[Neighbour]] | None = None) -> list[Problem]:
    """The problems found where each node's interfaces have hardware addresses of their own."""
    looks = {}
    for number, name in enumerate(world.hosts):
        look = world.look(name, "check")
        if look.facts:
            network = look.facts.network
            cards = [
                replace(card, mac=OWN % (16 * number + place))
                for place, card in enumerate(network.interfaces or ())
            ]
            network = replace(
                network, interfaces=tuple(cards), neighbours=tuple((tables or {}).get(name, ()))
            )
            look = Look(facts=replace(look.facts, network=network))
        looks[name] = look
    found = assess(
        world.fleet, None, world.expectations, looks, duration_s=1.0, depth="check"
    ).status.problems
    return [p for p in found if p.code == "address-duplicate"]


def entry(address: IPv4Address, mac: str, *, reachable: bool = True) -> Neighbour:
    return Neighbour(address, "thunderbolt0", mac, "known", reachable)


def test_a_node_that_has_anothers_address_is_told_with_those_that_talk_to_it() -> None:
    world = World(CLUSTER)
    world.hosts["mini2"].twins["fabric"] = MINI3
    [problem] = problems(world)
    assert problem.node == "mini2"
    assert problem.summary.startswith(
        "mini2 has 10.10.0.3 on thunderbolt0, the address of mini3 on fabric; so "
    )
    assert set(problem.affects) >= {"mini1", "mini3"}
    assert "mini2" not in problem.affects
    assert problem.fix
    assert problem.fix.commands == ("sudo ip addr del 10.10.0.3/24 dev thunderbolt0",)


def test_an_address_in_place_of_the_own_one_is_one_problem() -> None:
    world = World(CLUSTER)
    world.hosts["mini2"].addresses["fabric"] = MINI3
    found = world.check().status.problems
    assert [(p.code, p.node) for p in found] == [("address-duplicate", "mini2")]
    assert "and not its own 10.10.0.2" in found[0].summary
    assert found[0].fix
    assert found[0].fix.commands == (
        "sudo ip addr add 10.10.0.2/24 dev thunderbolt0",
        "sudo ip addr del 10.10.0.3/24 dev thunderbolt0",
    )


def test_one_machine_under_two_names_is_no_duplicate() -> None:
    world = World(CLUSTER)
    looks = {name: world.look(name, "check") for name in world.hosts}
    told, owner = looks["mini2"].facts, looks["mini3"].facts
    assert told
    assert owner
    cards = tuple(replace(i, mac=FOREIGN) for i in owner.network.interfaces or ())
    both = replace(owner, network=replace(owner.network, interfaces=cards))
    looks["mini2"] = Look(facts=replace(told, network=replace(both.network, echoes={})))
    looks["mini3"] = Look(facts=both)
    found = assess(CLUSTER, None, world.expectations, looks, duration_s=1.0, depth="check")
    assert "address-duplicate" not in {p.code for p in found.status.problems}


def test_a_switched_off_interface_has_no_address_for_anybody() -> None:
    world = World(CLUSTER)
    world.hosts["pi5"].twins["edge50"] = MINI3
    world.hosts["pi5"].enabled["edge50"] = False
    assert problems(world) == []


def test_a_machine_outside_the_fleet_is_known_by_its_hardware_address() -> None:
    [problem] = problems(World(CLUSTER), {"mini1": [entry(MINI3, FOREIGN)]})
    assert (problem.node, problem.severity) == ("mini3", "error")
    assert problem.summary == (
        f"another machine ({FOREIGN}) has mini3's address 10.10.0.3 on fabric, too"
    )
    assert problem.affects == ("mini1",)
    assert f"mini1: 10.10.0.3 at {FOREIGN} on thunderbolt0" in problem.evidence
    assert problem.fix is None


def test_an_entry_that_nothing_just_confirmed_is_a_warning() -> None:
    [problem] = problems(World(CLUSTER), {"mini1": [entry(MINI3, FOREIGN, reachable=False)]})
    assert problem.severity == "warning"
    assert "may have" in problem.summary


def test_on_wifi_it_may_be_a_repeater() -> None:
    of_pi5 = Neighbour(IPv4Address("192.168.1.25"), "wlan0", FOREIGN, "known", reachable=True)
    [problem] = problems(World(CLUSTER), {"mini1": [of_pi5]})
    assert (problem.node, problem.severity) == ("pi5", "warning")


def test_an_old_entry_of_a_silent_address_proves_nothing() -> None:
    world = World(CLUSTER)
    world.hosts["mini3"].carrier["fabric"] = False
    assert problems(world, {"mini1": [entry(MINI3, FOREIGN, reachable=False)]}) == []


def test_hardware_addresses_of_the_fleet_are_no_strangers() -> None:
    """Another interface of the owner (a bridge, a bond), or a gateway's proxy ARP."""
    world = World(CLUSTER)
    macs = [OWN % number for number in range(16 * len(world.hosts))]
    of_fleet = [macs[16 * list(world.hosts).index(name)] for name in ("mini3", "mini1")]
    for mac in of_fleet:
        assert problems(world, {"mini2": [entry(MINI3, mac)]}) == []


def test_one_that_answers_for_several_addresses_is_a_repeater() -> None:
    others = (MINI3, IPv4Address("10.10.0.1"))
    assert problems(World(CLUSTER), {"mini2": [entry(a, FOREIGN) for a in others]}) == []


def test_nothing_is_said_where_the_owners_hardware_address_is_not_known() -> None:
    world = World(CLUSTER)
    looks = {name: world.look(name, "check") for name in world.hosts}
    told = looks["mini1"].facts
    assert told
    table = (entry(MINI3, FOREIGN),)
    looks["mini1"] = Look(facts=replace(told, network=replace(told.network, neighbours=table)))
    found = assess(CLUSTER, None, world.expectations, looks, duration_s=1.0, depth="check")
    assert found.status.problems == ()
    assert all(i.mac is None for i in told.network.interfaces or () if isinstance(i, Interface))
