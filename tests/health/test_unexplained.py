"""Unanswered pings that no finding explains, grouped into one problem per likely place."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv4Address

import pytest
from msgspec.structs import replace

from fleetctl.config import load_text
from fleetctl.errors import AuthFailed, ConnectFailed, LinkError
from fleetctl.health.assess import assess
from fleetctl.model.expectations import derive
from fleetctl.model.look import Look
from fleetctl.model.network import Neighbour, NeighbourState
from fleetctl.model.questions import Depth
from fleetctl.model.status import Problem
from fleetctl.model.topology import Fleet
from tests.health.world import World
from tests.lab.fleets import GUIDE, PAIR

CLUSTER = load_text(GUIDE, "nodes.yaml")
FLAT = load_text(re.sub(r"    via: .*\n", "", GUIDE), "nodes.yaml")
"""The same networks, without gateways."""
MINI2, MINI3 = IPv4Address("10.10.0.2"), IPv4Address("10.10.0.3")
GATEWAY = IPv4Address("192.168.50.1")
WIFI2 = IPv4Address("192.168.1.12")
IPAD = IPv4Address("192.168.1.40")


class Filtered(World):
    """Something between the nodes drops the pings for which ``drops`` is true."""

    def __init__(self, fleet: Fleet, drops: Callable[[str, IPv4Address], bool]) -> None:
        super().__init__(fleet)
        self.drops = drops

    def answers(self, asker: str, to: IPv4Address) -> bool:
        return not self.drops(asker, to) and super().answers(asker, to)

    def problems(self, looks: dict[str, Look] | None = None) -> tuple[Problem, ...]:
        given = self.looks() if looks is None else looks
        status = assess(self.fleet, None, self.expectations, given, duration_s=1.0, depth="check")
        return status.status.problems

    def looks(self, depth: Depth = "check") -> dict[str, Look]:
        return {name: self.look(name, depth) for name in self.hosts}


def only(world: Filtered, looks: dict[str, Look] | None = None) -> Problem:
    (problem,) = world.problems(looks)
    return problem


def between(*pairs: tuple[str, IPv4Address]) -> Callable[[str, IPv4Address], bool]:
    return lambda asker, to: (asker, to) in pairs


# a network that carries nothing


def test_a_control_network_that_is_silent_is_one_warning() -> None:
    cidr = CLUSTER.networks["wifi"].cidr
    problem = only(Filtered(CLUSTER, lambda _, to: to in cidr))
    assert (problem.code, problem.severity, problem.node) == ("unreachable", "warning", None)
    assert problem.affects == ("mini1", "mini2", "mini3", "pi5", "pi4")
    assert problem.summary == (
        "no node reaches another one on wifi, though all their links are up: the access point may "
        "keep its clients apart (client isolation)"
    )


def test_another_network_that_is_silent_is_one_error() -> None:
    cidr = FLAT.networks["fabric"].cidr
    problem = only(Filtered(FLAT, lambda _, to: to in cidr))
    assert (problem.code, problem.severity, problem.node) == ("unreachable", "error", None)
    assert problem.affects == ("mini1", "mini2", "mini3")
    assert "on fabric, though all their links are up: what joins them, a switch" in problem.summary
    assert problem.evidence == "ping: no answer between mini1, mini2, mini3"


def test_one_answered_ping_shows_that_the_network_works() -> None:
    cidr = FLAT.networks["fabric"].cidr
    world = Filtered(FLAT, lambda a, to: to in cidr and (a, to) != ("mini1", MINI2))
    summaries = [p.summary for p in world.problems()]
    assert summaries
    assert not any("no node reaches another" in s for s in summaries)


# an address that no node reaches


def test_an_address_that_no_node_reaches_is_a_problem_of_its_node() -> None:
    problem = only(Filtered(CLUSTER, lambda _, to: to == MINI2))
    assert (problem.code, problem.severity, problem.node) == ("unreachable", "error", "mini2")
    assert problem.affects == ("mini1", "mini3", "pi5", "pi4")
    assert problem.summary == (
        "no node reaches mini2 at 10.10.0.2 on fabric: its own link is up, so something between "
        "drops the packets"
    )
    assert problem.evidence.startswith("mini1: ping 10.10.0.2: 0 of 3 echoes came back; mini3: ")


def test_a_machine_that_cannot_be_logged_into_may_be_asleep() -> None:
    world = Filtered(CLUSTER, lambda _, to: to == IPAD)
    problem = only(world)
    assert (problem.code, problem.node) == ("unreachable", "ipad")
    assert "no node reaches ipad at 192.168.1.40 on wifi: it may be asleep" in problem.summary


def test_a_machine_that_no_job_needs_may_sleep() -> None:
    world = Filtered(CLUSTER, lambda _, to: to == IPAD)
    world.expectations = derive(CLUSTER)
    checked = assess(
        CLUSTER, None, world.expectations, world.looks(), duration_s=1.0, depth="check"
    )
    assert checked.status.problems == ()
    [row] = [r for r in checked.status.nodes["mini1"].reachability if r.node == "ipad"]
    assert (row.observed, row.ok) == (None, None)
    assert row.reason == "ipad may be asleep or away: the job does not need it"


def test_two_addresses_that_no_node_reaches_are_two_problems() -> None:
    problems = Filtered(CLUSTER, lambda _, to: to in (MINI2, IPAD)).problems()
    assert sorted(str(p.node) for p in problems) == ["ipad", "mini2"]


# a node that does not reach others


def test_a_node_that_gets_no_answer_is_the_problem() -> None:
    problem = only(Filtered(CLUSTER, between(("mini2", MINI3), ("mini2", IPAD))))
    assert (problem.code, problem.severity, problem.node) == ("unreachable", "error", "mini2")
    assert "10.10.0.3 (mini3 on fabric)" in problem.summary
    assert "192.168.1.40 (ipad on wifi)" in problem.summary
    assert "a firewall may drop the packets" in problem.summary
    assert set(problem.affects) == {"mini3", "ipad"}


def test_a_gateway_that_does_not_answer_a_node_that_needs_it() -> None:
    fabric = CLUSTER.networks["fabric"].cidr
    world = Filtered(CLUSTER, lambda a, to: a == "pi5" and (to == GATEWAY or to in fabric))
    problem = only(world)
    assert (problem.code, problem.severity, problem.node) == (
        "gateway-unreachable", "error", "pi5",
    )  # fmt: skip
    assert problem.summary == (
        "pi5 does not reach its gateway mini1 at 192.168.50.1 on edge50, though both their links "
        "are up"
    )
    assert "pi5: ping 192.168.50.1: 0 of 3 echoes came back" in problem.evidence


def test_a_gateways_far_address_is_no_gateway() -> None:
    """If it answers only at its near address, the link to it works."""
    problem = only(Filtered(CLUSTER, between(("pi5", IPv4Address("10.10.0.1")))))
    assert (problem.code, problem.node) == ("unreachable", "pi5")


def with_neighbours(world: Filtered, name: str, *found: Neighbour) -> dict[str, Look]:
    looks = world.looks()
    facts = looks[name].facts
    assert facts is not None
    looks[name] = Look(facts=replace(facts, network=replace(facts.network, neighbours=found)))
    return looks


def neighbour(address: IPv4Address, state: NeighbourState) -> Neighbour:
    return Neighbour(address, "thunderbolt0", None, state)


@pytest.mark.parametrize("state", ["incomplete", "failed"])
def test_a_neighbour_that_does_not_answer_arp(state: NeighbourState) -> None:
    world = Filtered(CLUSTER, between(("mini2", MINI3)))
    problem = only(world, with_neighbours(world, "mini2", neighbour(MINI3, state)))
    assert (problem.code, problem.severity, problem.node) == ("arp-incomplete", "error", "mini2")
    assert problem.affects == ("mini3",)
    assert problem.summary == (
        "mini2 asks for the Ethernet address of 10.10.0.3 (mini3 on fabric) and gets no answer: "
        "the two are not on one wire, or something filters there"
    )


def test_a_neighbour_that_answers_arp_is_on_the_same_wire() -> None:
    world = Filtered(CLUSTER, between(("mini2", MINI3)))
    problem = only(world, with_neighbours(world, "mini2", neighbour(MINI3, "known")))
    assert problem.code == "unreachable"


def test_two_silent_addresses_of_which_one_does_not_answer_arp() -> None:
    world = Filtered(CLUSTER, between(("mini2", MINI3), ("mini2", IPAD)))
    problem = only(world, with_neighbours(world, "mini2", neighbour(MINI3, "failed")))
    assert problem.code == "unreachable"


def test_an_old_arp_entry_of_a_node_that_answers_is_no_problem() -> None:
    world = Filtered(CLUSTER, lambda *_: False)
    assert world.problems(with_neighbours(world, "mini2", neighbour(MINI3, "incomplete"))) == ()


# stealth mode


@pytest.mark.parametrize("stealth", [True, False])
def test_a_mac_in_stealth_mode_answers_no_ping_and_is_all_right(stealth: bool) -> None:
    world = Filtered(CLUSTER, lambda _, to: to in (MINI2, WIFI2))
    looks = world.looks()
    facts = looks["mini2"].facts
    assert facts is not None
    looks["mini2"] = Look(
        facts=replace(facts, reliability=replace(facts.reliability, stealth=stealth))
    )
    codes = [p.code for p in world.problems(looks)]
    assert codes == ([] if stealth else ["unreachable", "unreachable"])


def test_stealth_of_one_does_not_hide_another() -> None:
    world = Filtered(CLUSTER, lambda _, to: to in (MINI2, MINI3))
    looks = world.looks()
    facts = looks["mini2"].facts
    assert facts is not None
    looks["mini2"] = Look(
        facts=replace(facts, reliability=replace(facts.reliability, stealth=True))
    )
    assert only(world, looks).node == "mini3"


def stealthy(drops: Callable[[str, IPv4Address], bool]) -> Filtered:
    """All minis are in stealth mode."""

    class Silent(Filtered):
        def answers_tcp(self, asker: str, to: IPv4Address) -> bool:
            return not self.drops(asker, to) and super().answers_tcp(asker, to)

    world = Silent(FLAT, drops)
    for name in ("mini1", "mini2", "mini3"):
        world.hosts[name].stealth = True
    return world


def test_a_stealthy_mac_whose_ssh_port_answers_is_all_right() -> None:
    assert stealthy(lambda *_: False).problems() == ()


def test_stealth_explains_no_silent_ssh_port() -> None:
    cidr = FLAT.networks["fabric"].cidr
    problem = only(stealthy(lambda _, to: to in cidr))
    assert (problem.code, problem.node, problem.affects) == (
        "unreachable", None, ("mini1", "mini2", "mini3"),
    )  # fmt: skip
    problem = only(stealthy(lambda _, to: to == MINI2))
    assert (problem.code, problem.node, problem.affects) == (
        "unreachable", "mini2", ("mini1", "mini3"),
    )  # fmt: skip
    assert problem.evidence.startswith(
        "mini1: ping 10.10.0.2: 0 of 3 echoes came back, and its SSH port is silent; mini3: "
    )


# no node can be asked


def cut_off(fleet: Fleet, internet: bool = False) -> Filtered:
    """This machine reaches no node, and may have internet."""
    world = Filtered(fleet, lambda _, to: to == fleet.internet and not internet)
    for name, node in fleet.nodes.items():
        world.hosts[name].powered = node.connection != "ssh"
    return world


def test_a_machine_that_is_cut_off_is_one_problem() -> None:
    problem = only(cut_off(CLUSTER))
    assert (problem.code, problem.severity, problem.node) == ("ssh-timeout", "error", "macbook")
    assert problem.summary == (
        "no node can be reached (no answer): this machine is not on their network"
    )
    assert problem.affects[:5] == ("mini1", "mini2", "mini3", "pi5", "pi4")
    assert "mini1: no answer; mini2: no answer" in problem.evidence


def test_a_machine_with_internet_is_not_cut_off() -> None:
    problems = cut_off(CLUSTER, internet=True).problems()
    assert {(p.code, p.node) for p in problems} == {
        ("ssh-timeout", name) for name in ("mini1", "mini2", "mini3", "pi5", "pi4")
    }


@pytest.mark.parametrize(
    ("error", "one"),
    [
        (ConnectFailed("pi5", "no route to host"), True),
        (ConnectFailed("pi5", "takes no logins now", silent=False), False),
        (AuthFailed("pi5", "no key"), False),
    ],
)
def test_any_reply_of_a_node_shows_that_the_network_is_there(error: LinkError, one: bool) -> None:
    world = cut_off(CLUSTER)
    problems = world.problems({**world.looks(), "pi5": Look(error=error)})
    lost = [p for p in problems if p.code.startswith("ssh-")]
    assert len(lost) == (1 if one else 5)


def test_a_node_that_answers_shows_that_the_network_is_there() -> None:
    world = cut_off(CLUSTER)
    world.hosts["pi4"].powered = True
    lost = [p.node for p in world.problems() if p.code == "ssh-timeout"]
    assert set(lost) == {"mini1", "mini2", "mini3", "pi5"}


def test_without_this_machine_in_the_fleet_no_node_is_named() -> None:
    problem = only(cut_off(load_text(PAIR, "nodes.yaml")))
    assert (problem.node, problem.affects) == (None, ("a", "b"))


def test_the_only_node_is_named() -> None:
    lone = "".join(line for line in PAIR.splitlines(True) if not line.startswith("  b:"))
    assert only(cut_off(load_text(lone, "nodes.yaml"))).node == "a"


def test_a_silent_fabric_is_one_problem_though_others_are_routed_to_it() -> None:
    cidr = CLUSTER.networks["fabric"].cidr
    near = {("pi5", "10.10.0.1"), ("pi4", "10.10.0.3")}
    problem = only(Filtered(CLUSTER, lambda a, to: to in cidr and (a, str(to)) not in near))
    assert (problem.code, problem.node) == ("unreachable", None)


def test_a_cable_that_is_silent_both_ways_is_one_problem() -> None:
    edge, fabric = (CLUSTER.networks[n].cidr for n in ("edge50", "fabric"))
    world = Filtered(CLUSTER, lambda a, to: to in edge or (a == "pi5" and to in fabric))
    problem = only(world)
    assert (problem.code, problem.node) == ("gateway-unreachable", "pi5")


def test_a_node_that_neither_answers_nor_gets_answers_is_one_problem() -> None:
    fabric = CLUSTER.networks["fabric"].cidr
    mini2 = CLUSTER.nodes["mini2"].addresses["fabric"]
    problem = only(Filtered(CLUSTER, lambda a, to: to == mini2 or (a == "mini2" and to in fabric)))
    assert (problem.code, problem.node) == ("unreachable", "mini2")


@pytest.mark.parametrize(("gateway", "behind"), [("mini1", "pi5"), ("mini3", "pi4")])
def test_a_gateway_whose_fabric_is_silent_is_one_problem(gateway: str, behind: str) -> None:
    """Though its address there answers the node behind it, over the cable."""
    wifi = CLUSTER.networks["wifi"].cidr
    side = {gateway, behind}
    own = {a for name in side for a in CLUSTER.nodes[name].addresses.values()}

    def drops(asker: str, to: IPv4Address) -> bool:
        return to not in wifi and to != CLUSTER.internet and (asker in side) != (to in own)

    problem = only(Filtered(CLUSTER, drops))
    assert (problem.code, problem.node) == ("unreachable", gateway)
