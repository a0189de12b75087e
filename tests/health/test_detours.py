"""Which interface packets leave by, and which of them is wrong: each case, and its limits."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any

import pytest
from msgspec.structs import replace

from fleetctl.health.attachments import data_states
from fleetctl.health.owners import owner
from fleetctl.model.facts import NetworkFacts
from fleetctl.model.network import Echo, Interface, Route, RouteTaken
from fleetctl.model.node_status import SystemStatus
from fleetctl.model.status import Problem
from fleetctl.words.check import cell, sentence
from tests.health.facts import facts
from tests.health.test_warnings import MEASURED, Fabricated

ROUTER = IPv4Address("192.168.1.1")
FABRIC1, FABRIC2, FABRIC3 = (IPv4Address(f"10.10.0.{n}") for n in (1, 2, 3))
EVERYTHING = IPv4Network("0.0.0.0/0")


@pytest.fixture
def fleet() -> Fabricated:
    return Fabricated()


def takes(
    fleet: Fabricated, name: str, to: IPv4Address, interface: str, via: IPv4Address | None = None
) -> None:
    taken = {**fleet.facts(name).network.taken, to: RouteTaken(to, via, interface)}
    fleet.network(name, taken=taken)


def adds(fleet: Fabricated, name: str, *routes: Route) -> None:
    fleet.network(name, routes=(*(fleet.facts(name).network.routes or ()), *routes))


def card(fleet: Fabricated, name: str, interface: str, *addresses: str) -> None:
    new = Interface(interface, True, True, tuple(map(IPv4Interface, addresses)))
    fleet.network(name, interfaces=(*(fleet.facts(name).network.interfaces or ()), new))


def silent(fleet: Fabricated, name: str, *addresses: IPv4Address) -> None:
    gone = {a: Echo(3, 0) for a in addresses}
    fleet.network(name, echoes={**fleet.facts(name).network.echoes, **gone})


def the_problem(fleet: Fabricated) -> Problem:
    (problem,) = fleet.problems()
    assert (problem.code, problem.severity) == ("route-wrong-interface", "error")
    return problem


def test_a_route_to_a_neighbour_over_wifi_is_wrong_though_it_answers(fleet: Fabricated) -> None:
    takes(fleet, "mini2", FABRIC1, "wlan0", ROUTER)
    adds(fleet, "mini2", Route(IPv4Network(FABRIC1), ROUTER, "wlan0"))
    problem = the_problem(fleet)
    assert problem.summary == (
        "mini2: packets to mini1 (10.10.0.1) leave by wlan0 instead of by thunderbolt0"
    )
    assert problem.evidence == "ip route get 10.10.0.1: via 192.168.1.1 on wlan0"
    assert problem.fix
    assert problem.fix.commands == ("sudo ip route del 10.10.0.1/32 via 192.168.1.1 dev wlan0",)


def test_an_address_that_answers_over_the_wrong_network_is_not_well(fleet: Fabricated) -> None:
    """Neither its row, nor the cell of the matrix, nor the lamp of the network."""
    takes(fleet, "mini2", FABRIC1, "wlan0", ROUTER)
    status = fleet.status()
    row = next(r for r in status.nodes["mini2"].reachability if r.to == str(FABRIC1))
    assert (row.observed, row.ok) == (True, False)
    assert row.reason == "packets leave by wlan0 instead of by thunderbolt0"
    assert cell(row).text == "wrong way"
    assert sentence("mini2", row).endswith(
        "which must answer: answers, but packets leave by wlan0 instead of by thunderbolt0"
    )
    lamps = data_states(fleet.fleet, None, status)
    assert (lamps["mini2"].ok, lamps["mini3"].ok) == (False, True)


def test_a_slow_answer_over_the_wrong_network_is_told_once() -> None:
    fleet = Fabricated(MEASURED)
    takes(fleet, "mini2", FABRIC1, "wlan0", ROUTER)
    echoes = {**fleet.facts("mini2").network.echoes, FABRIC1: Echo(3, 3, 40.0)}
    fleet.network("mini2", echoes=echoes)
    assert {p.code for p in fleet.problems()} == {"route-wrong-interface"}


def test_pings_that_go_astray_are_effects_also_on_the_way_back(fleet: Fabricated) -> None:
    """mini1 answers pi4 over a route that a VPN took."""
    answer = IPv4Address("192.168.51.4")
    takes(fleet, "mini1", answer, "wg0")
    adds(fleet, "mini1", Route(IPv4Network(answer), None, "wg0"))
    silent(fleet, "pi4", FABRIC1)
    problem = the_problem(fleet)
    assert (problem.node, problem.affects, problem.fix) == ("mini1", ("pi4",), None)
    assert "wg0 (WireGuard) instead of by thunderbolt0; so pi4 gets no answer" in problem.summary


def test_another_next_hop_on_the_right_interface_is_no_wrong_interface(fleet: Fabricated) -> None:
    takes(fleet, "mini2", FABRIC1, "thunderbolt0", FABRIC3)
    assert fleet.problems() == ()


def test_a_vpn_of_a_network_behind_a_gateway(fleet: Fabricated) -> None:
    """Rules go before the table, so nothing in it says so."""
    for to in (FABRIC1, FABRIC2, FABRIC3):
        takes(fleet, "pi5", to, "tailscale0")
    problem = the_problem(fleet)
    assert problem.summary == (
        "pi5: packets to mini1 (10.10.0.1), mini2 (10.10.0.2) and mini3 (10.10.0.3) leave by "
        "tailscale0 (Tailscale) instead of by eth2"
    )
    assert problem.fix is None


def test_a_rule_before_the_table_is_no_missing_route(fleet: Fabricated) -> None:
    """It leads to the router, as the default route does, and the right route stands there."""
    for to in (FABRIC1, FABRIC2, FABRIC3):
        takes(fleet, "pi5", to, "wlan0", ROUTER)
    assert "leave by wlan0 instead of by eth2" in the_problem(fleet).summary


def test_a_vpn_as_default_route_makes_a_missing_route_no_wrong_interface(
    fleet: Fabricated,
) -> None:
    """Also as two halves of everything, as OpenVPN and WireGuard set it."""
    halves = [Route(IPv4Network(half), None, "tun0") for half in ("0.0.0.0/1", "128.0.0.0/1")]
    for default in ([Route(EVERYTHING, None, "tun0")], halves):
        fleet = Fabricated()
        own = [r for r in fleet.facts("pi5").network.routes or () if r.to.prefixlen == 24]
        own = [r for r in own if FABRIC1 not in r.to]
        fleet.network("pi5", routes=(*own, *default))
        for to in fleet.facts("pi5").network.taken:
            if to not in IPv4Network("192.168.0.0/16"):
                takes(fleet, "pi5", to, "tun0")
        silent(fleet, "pi5", FABRIC1, FABRIC2, FABRIC3)
        (problem,) = fleet.problems()
        assert (problem.code, problem.node) == ("route-missing", "pi5")


def test_a_second_interface_on_the_control_network_is_as_good(fleet: Fabricated) -> None:
    """Wi-Fi and Ethernet, even where the access point lets nobody ping."""
    card(fleet, "mini2", "eth0", "192.168.1.112/24")
    others = [a for a in fleet.facts("mini2").network.echoes if a in IPv4Network("192.168.1.0/24")]
    for to in others:
        takes(fleet, "mini2", to, "eth0")
    assert fleet.problems() == ()
    silent(fleet, "mini2", *others)
    assert "route-wrong-interface" not in {p.code for p in fleet.problems()}


def test_a_second_interface_on_a_cluster_network_must_get_answers(fleet: Fabricated) -> None:
    card(fleet, "mini2", "br-0123456789ab", "10.10.0.77/24")
    adds(fleet, "mini2", Route(IPv4Network("10.10.0.0/24"), None, "br-0123456789ab"))
    for to in (FABRIC1, FABRIC3):
        takes(fleet, "mini2", to, "br-0123456789ab")
    silent(fleet, "mini2", FABRIC1)
    assert fleet.problems()
    assert "route-wrong-interface" not in {p.code for p in fleet.problems()}  # mini3 answers
    silent(fleet, "mini2", FABRIC1, FABRIC3)
    assert "leave by br-0123456789ab (Docker) instead" in the_problem(fleet).summary


def test_what_another_fault_explains_is_not_told(fleet: Fabricated) -> None:
    """The node's own address is missing, its mask is wrong, or its link is dead."""
    cards = fleet.facts("mini2").network.interfaces or ()
    own = next(c for c in cards if c.name == "thunderbolt0")
    for broken in (
        replace(own, addresses=()),
        replace(own, addresses=(IPv4Interface("10.10.0.2/32"),)),
        replace(own, link=False),
    ):
        fleet.network("mini2", interfaces=(*(c for c in cards if c is not own), broken))
        takes(fleet, "mini2", FABRIC1, "wlan0", ROUTER)
        assert "route-wrong-interface" not in {p.code for p in fleet.problems()}


def test_a_neighbour_that_is_off_is_rejected_on_macos_and_no_wrong_interface(
    fleet: Fabricated,
) -> None:
    why = "the route to 10.10.0.1 has the flag REJECT"
    taken = {**fleet.facts("mini2").network.taken, FABRIC1: RouteTaken(FABRIC1, error=why)}
    fleet.network("mini2", taken=taken)
    assert fleet.problems() == ()


def test_a_route_that_drops_packets_to_a_neighbour(fleet: Fabricated) -> None:
    why = "RTNETLINK answers: Invalid argument"
    taken = {**fleet.facts("mini2").network.taken, FABRIC1: RouteTaken(FABRIC1, error=why)}
    fleet.network("mini2", taken=taken)
    adds(fleet, "mini2", Route(IPv4Network(FABRIC1), None, "", type="blackhole"))
    problem = the_problem(fleet)
    assert problem.summary == (
        "mini2: packets to mini1 (10.10.0.1) do not leave by thunderbolt0: a route drops them"
    )
    assert problem.evidence == f"ip route get 10.10.0.1: {why}"


def test_a_stolen_default_route_names_the_program(fleet: Fabricated) -> None:
    """Internet Sharing gave its bridge the edge's cable, and with it the node's address."""
    cards = fleet.facts("pi5").network.interfaces or ()
    bridge = tuple(replace(c, name="bridge100") if c.name == "eth2" else c for c in cards)
    taken = {to: RouteTaken(to, t.via, "bridge100" if t.interface == "eth2" else t.interface)
             for to, t in fleet.facts("pi5").network.taken.items()}  # fmt: skip
    internet = fleet.fleet.internet
    assert internet
    taken[internet] = RouteTaken(internet, IPv4Address("192.168.50.1"), "bridge100")
    fleet.network("pi5", interfaces=bridge, taken=taken)
    fleet.put("pi5", system=SystemStatus(os="macos"))
    (problem,) = fleet.problems()
    assert problem.code == "default-route-stolen"
    assert "into edge50 by bridge100 (Internet Sharing or virtual machines) via" in problem.summary


@pytest.mark.parametrize(
    ("os", "name", "address", "program"),
    [
        ("linux", "tailscale0", "100.101.1.2/32", "Tailscale"),
        ("linux", "CloudflareWARP", "172.16.0.2/32", "Cloudflare WARP"),
        ("linux", "gpd0", None, "GlobalProtect"),
        ("linux", "wg0", None, "WireGuard"),
        ("linux", "tun0", None, "a VPN"),
        ("linux", "docker0", "172.17.0.1/16", "Docker"),
        ("linux", "br-0123456789ab", None, "Docker"),
        ("linux", "br-lan", None, None),
        ("linux", "virbr0", None, "libvirt's virtual machines"),
        ("linux", "eth0", None, None),
        ("macos", "utun4", "100.101.1.2/32", "Tailscale or Cloudflare WARP"),
        ("macos", "utun4", "100.70.1.2/32", "Tailscale"),
        ("macos", "utun4", "10.8.0.2/32", "a VPN"),
        ("macos", "gpd0", None, "GlobalProtect"),
        ("macos", "bridge100", "192.168.2.1/24", "Internet Sharing"),
        ("macos", "bridge101", "192.168.64.1/24", "Internet Sharing or virtual machines"),
        ("macos", "bridge0", "10.10.0.1/24", None),
        ("macos", "docker0", None, None),
    ],
)
def test_the_program_behind_an_interface(
    os: str, name: str, address: str | None, program: str | None
) -> None:
    addresses: tuple[Any, ...] = (IPv4Interface(address),) if address else ()
    network = NetworkFacts(interfaces=(Interface(name, True, None, addresses),))
    found = owner(facts(system=SystemStatus(os=os), network=network), name)
    assert (found.name if found else None) == program
