"""Every finding with a repair, on both systems: the exact commands and undo commands."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any

import pytest
from msgspec.structs import replace

from fleetctl.health.finding import Finding, Lack
from fleetctl.health.kinds.kind import FindingKind
from fleetctl.health.kinds.registry import FINDING_KINDS, KINDS
from fleetctl.health.owners import owner
from fleetctl.health.remedies import plan, plans, steps
from fleetctl.health.repairs import boot_files, boot_start, macos, programs
from fleetctl.health.repairs.boot_files import DAEMON_TEXT
from fleetctl.health.repairs.target import Remedy, nothing_live
from fleetctl.model.facts import NetworkFacts, NodeFacts
from fleetctl.model.network import Interface, Route
from fleetctl.model.node_status import SystemStatus
from fleetctl.model.repairs import Repair
from fleetctl.model.requirements import Requirement
from fleetctl.model.setup import (
    InterfaceSetup,
    Manager,
    NetworkService,
    NetworkSetup,
    Profile,
    ProfileRoute,
    ServiceRoute,
)
from fleetctl.model.status import Problem
from fleetctl.model.topology import SSH, Fleet, Network, Node
from tests.health.leases import with_dhcp

FABRIC = IPv4Network("10.10.0.0/24")
EDGE = IPv4Network("192.168.50.0/24")
RETURN_TO = IPv4Network("192.168.51.0/24")
FLEET = Fleet(
    "smol",
    {
        "wifi": Network("wifi", IPv4Network("192.168.1.0/24"), "wifi", control=True),
        "fabric": Network("fabric", FABRIC, "thunderbolt"),
        "edge50": Network("edge50", EDGE),
        "edge51": Network("edge51", RETURN_TO),
    },
    {
        "mini1": Node(
            "mini1",
            SSH("mini1"),
            addresses={
                "wifi": IPv4Address("192.168.1.11"),
                "fabric": IPv4Address("10.10.0.1"),
                "edge50": IPv4Address("192.168.50.1"),
            },
            gateway=True,
        ),
        "pi5": Node(
            "pi5",
            SSH("pi5"),
            addresses={
                "wifi": IPv4Address("192.168.1.25"),
                "edge50": IPv4Address("192.168.50.2"),
            },
            via={"fabric": "mini1"},
        ),
    },
)


def interface(name: str, *addresses: str) -> Interface:
    return Interface(name, True, True, tuple(IPv4Interface(a) for a in addresses))


def route(to: str, via: str | None, device: str, metric: int = 0, scoped: bool = False) -> Route:
    network = IPv4Network("0.0.0.0/0" if to == "default" else to)
    return Route(network, IPv4Address(via) if via else None, device, metric, scoped=scoped)


def facts(os: str, interfaces: tuple[Interface, ...], *routes: Route) -> NodeFacts:
    return NodeFacts(
        measured_at=datetime(2026, 1, 1, tzinfo=UTC),
        system=SystemStatus(os=os),
        tmux_version="3.5a",
        panes=(),
        records={},
        log_bytes={},
        listeners=(),
        runs={},
        network=NetworkFacts(interfaces=interfaces, routes=routes),
    )


PI5_CARDS = (interface("wlan0", "192.168.1.25/24"), interface("eth0", "192.168.50.2/24"))
MINI1_CARDS = (
    interface("en1", "192.168.1.11/24"),
    interface("en0", "192.168.50.1/24"),
    interface("bridge0", "10.10.0.1/24"),
)
PI5 = facts(
    "linux",
    PI5_CARDS,
    route("default", "192.168.50.1", "eth0", 50),
    route("default", "192.168.1.1", "wlan0", 600),
)
MINI1 = facts(
    "macos",
    MINI1_CARDS,
    route("default", "10.10.0.2", "bridge0"),
    route("default", "192.168.1.1", "en1", scoped=True),
)
UUID, TWIN = "ff0105dc-9593-4086-994f-97ae65055201", "0a0105dc-9593-4086-994f-97ae65055202"
ETH = Profile(
    UUID,
    "eth-static",
    "eth0",
    "eth0",
    method="manual",
    addresses=("192.168.50.2/24",),
    never_default=True,
)
WIFI = Profile("7e0352de", "Home: Net", "wlan0", method="auto", power_save=0)
LINUX = NetworkSetup(profiles=(ETH, WIFI))
BRIDGE = NetworkService(
    "Thunderbolt Bridge", True, "bridge0", "manual", IPv4Address("10.10.0.1"),
    IPv4Address("255.255.255.0"), None, (),
)  # fmt: skip
MACOS = NetworkSetup(
    services=(NetworkService("Wi-Fi", True, "en1", "dhcp", routes=()), BRIDGE),
    sleep_minutes=1,
    disk_sleep_minutes=10,
)


def made(
    node: str,
    code: str,
    network: str,
    expected: str = "",
    found: str = "",
    interface: str = "",
    enabled: bool = True,
) -> Finding:
    """A finding from a table's row; for ``sleep-enabled`` what is found are minutes."""
    return Finding(
        code,
        node,
        FLEET.networks[network] if network else None,
        address=IPv4Address(expected) if expected else None,
        found=(IPv4Address(found),) if "." in found else (),
        interface=interface,
        enabled=enabled,
        idle_minutes=None if "." in found or not found else int(found),
    )


def pi5(code: str, network: str = "", **known: Any) -> Finding:
    return made("pi5", code, network, **known)


def mini1(code: str, network: str = "", **known: Any) -> Finding:
    return made("mini1", code, network, **known)


RETURN = mini1("return-route-missing", "edge51", expected="10.10.0.3")
WAY = pi5("route-missing", "fabric", expected="192.168.50.1")
WRONG = pi5("route-wrong-gateway", "fabric", expected="192.168.50.1", found="192.168.50.9")
NO_ADDRESS = pi5("address-missing", "edge50", expected="192.168.50.2", interface="eth0")


def astray(node: str, network: str, entry: Route | None, **more: Any) -> Finding:
    """Packets that leave by the interface of ``entry``."""
    device = entry.interface if entry else "wg0"
    fields: dict[str, Any] = {"interface": device, "entry": entry, **more}
    return Finding("route-wrong-interface", node, FLEET.networks[network], **fields)


TO_HOST = route("10.10.0.1/32", "192.168.1.1", "wlan0", 50)
DETOUR = astray("pi5", "fabric", TO_HOST, address=IPv4Address("192.168.50.1"), instead="eth0")
MAC_HOST = route("10.10.0.2/32", "192.168.1.1", "en1")
MAC_DETOUR = astray("mini1", "fabric", MAC_HOST, instead="bridge0")
MAC_LINK = route("10.10.0.0/24", None, "bridge0")
TAKEN = route("10.10.0.0/16", None, "wg0")
VPN = owner(facts("linux", ()), "wg0")

MASK = replace(pi5("address-wrong-prefix", "edge50", expected="192.168.50.2", interface="eth0"),
               masks=(16,))  # fmt: skip
MAC_MASK = replace(mini1("address-wrong-prefix", "fabric", expected="10.10.0.1",
                         interface="bridge0"), masks=(8,))  # fmt: skip
TWIN_OF_PI5 = replace(pi5("address-duplicate", "edge50", found="192.168.50.1", interface="eth0"),
                      owner="mini1")  # fmt: skip
TWIN_OF_MAC = replace(mini1("address-duplicate", "fabric", found="10.10.0.9",
                            interface="bridge0"), owner="x")  # fmt: skip

LIVE = [
    (DETOUR, facts("linux", PI5_CARDS, TO_HOST),
     "sudo ip route del 10.10.0.1/32 via 192.168.1.1 dev wlan0 metric 50",
     "sudo ip route add 10.10.0.1/32 via 192.168.1.1 dev wlan0 metric 50"),
    (MAC_DETOUR, facts("macos", MINI1_CARDS, MAC_HOST, MAC_LINK),
     "sudo route -n delete -host 10.10.0.2 192.168.1.1",
     "sudo route -n add -host 10.10.0.2 192.168.1.1"),
    (replace(MAC_DETOUR, entry=route("10.10.0.2/32", None, "en1")),
     facts("macos", MINI1_CARDS, MAC_LINK),
     "sudo route -n delete -host 10.10.0.2 -interface en1",
     "sudo route -n add -host 10.10.0.2 -interface en1"),
    # a wider route takes packets for want of the one that they need, which goes before it
    (replace(DETOUR, entry=TAKEN, owner=VPN), facts("linux", PI5_CARDS, TAKEN),
     "sudo ip route replace 10.10.0.0/24 via 192.168.50.1 dev eth0",
     "sudo ip route del 10.10.0.0/24 via 192.168.50.1 dev eth0"),
    (replace(DETOUR, entry=route("10.10.0.0/24", None, "wlan0")), PI5,
     "sudo ip route replace 10.10.0.0/24 via 192.168.50.1 dev eth0",
     "sudo ip route replace 10.10.0.0/24 dev wlan0"),
    # the route that the node's own address brings is gone
    (astray("pi5", "edge50", None, interface="wlan0", instead="eth0"), PI5,
     "sudo ip route add 192.168.50.0/24 dev eth0", "sudo ip route del 192.168.50.0/24 dev eth0"),
    (astray("pi5", "edge50", Route(IPv4Network("192.168.50.1/32"), None, "", type="blackhole"),
            instead="eth0"), facts("linux", PI5_CARDS, route("192.168.50.0/24", None, "eth0")),
     "sudo ip route del blackhole 192.168.50.1/32", "sudo ip route add blackhole 192.168.50.1/32"),
    (MASK, facts("linux", (interface("eth0", "192.168.50.2/16", "192.168.50.2/24"),)),
     "sudo ip addr del 192.168.50.2/16 dev eth0", "sudo ip addr add 192.168.50.2/16 dev eth0"),
    (MAC_MASK, facts("macos", (interface("bridge0", "10.10.0.1/8"),)),
     "sudo ifconfig bridge0 inet 10.10.0.1 netmask 255.255.255.0 alias",
     "sudo ifconfig bridge0 inet 10.10.0.1 netmask 255.0.0.0 alias"),
    (TWIN_OF_PI5, facts("linux", (interface("eth0", "192.168.50.2/24", "192.168.50.1/28"),)),
     "sudo ip addr del 192.168.50.1/28 dev eth0", "sudo ip addr add 192.168.50.1/28 dev eth0"),
    (TWIN_OF_MAC, facts("macos", (interface("bridge0", "10.10.0.1/24", "10.10.0.9/24"),)),
     "sudo ifconfig bridge0 inet 10.10.0.9 -alias",
     "sudo ifconfig bridge0 inet 10.10.0.9 netmask 255.255.255.0 alias"),
    (pi5("forwarding-off"), PI5, "sudo sysctl -w net.ipv4.ip_forward=1",
     "sudo sysctl -w net.ipv4.ip_forward=0"),
    (mini1("forwarding-off"), MINI1, "sudo sysctl -w net.inet.ip.forwarding=1",
     "sudo sysctl -w net.inet.ip.forwarding=0"),
    (WAY, PI5, "sudo ip route replace 10.10.0.0/24 via 192.168.50.1 dev eth0",
     "sudo ip route del 10.10.0.0/24 via 192.168.50.1 dev eth0"),
    (WAY, facts("linux", ()), "sudo ip route replace 10.10.0.0/24 via 192.168.50.1",
     "sudo ip route del 10.10.0.0/24 via 192.168.50.1"),
    (RETURN, MINI1, "sudo route -n add -net 192.168.51.0/24 10.10.0.3",
     "sudo route -n delete -net 192.168.51.0/24 10.10.0.3"),
    (WRONG, facts("linux", PI5_CARDS, route("10.10.0.0/24", "192.168.50.9", "eth0")),
     "sudo ip route replace 10.10.0.0/24 via 192.168.50.1 dev eth0",
     "sudo ip route replace 10.10.0.0/24 via 192.168.50.9 dev eth0"),
    (WRONG, facts("linux", PI5_CARDS, route("10.10.0.0/24", "192.168.50.9", "wlan0", 100)),
     "sudo ip route replace 10.10.0.0/24 via 192.168.50.1 dev eth0 metric 100",
     "sudo ip route replace 10.10.0.0/24 via 192.168.50.9 dev wlan0 metric 100"),
    (WRONG, facts("linux", PI5_CARDS, Route(FABRIC, None, "", type="blackhole")),
     "sudo ip route replace 10.10.0.0/24 via 192.168.50.1 dev eth0",
     "sudo ip route replace blackhole 10.10.0.0/24"),
    (WRONG, facts("linux", PI5_CARDS, route("10.10.0.0/25", "192.168.50.9", "eth0"),
                  route("10.10.0.0/24", "192.168.50.1", "eth0")),
     "sudo ip route del 10.10.0.0/25 via 192.168.50.9 dev eth0",
     "sudo ip route add 10.10.0.0/25 via 192.168.50.9 dev eth0"),
    (mini1("route-wrong-gateway", "edge51", expected="10.10.0.3", found="10.10.0.2"),
     facts("macos", MINI1_CARDS, route("192.168.51.0/24", "10.10.0.2", "bridge0")),
     "sudo route -n change -net 192.168.51.0/24 10.10.0.3",
     "sudo route -n change -net 192.168.51.0/24 10.10.0.2"),
    (mini1("route-wrong-gateway", "edge51", expected="10.10.0.3", found="192.168.1.9"),
     facts("macos", MINI1_CARDS, route("192.168.0.0/16", "192.168.1.9", "en1")),
     "sudo route -n add -net 192.168.51.0/24 10.10.0.3",
     "sudo route -n delete -net 192.168.51.0/24 10.10.0.3"),
    (pi5("default-route-stolen", "edge50", found="192.168.50.1", interface="eth0"), PI5,
     "sudo ip route del default via 192.168.50.1 dev eth0 metric 50",
     "sudo ip route add default via 192.168.50.1 dev eth0 metric 50"),
    (mini1("default-route-stolen", "fabric", found="10.10.0.2", interface="bridge0"), MINI1,
     "sudo route -n change default 192.168.1.1", "sudo route -n change default 10.10.0.2"),
    (NO_ADDRESS, PI5, "sudo ip addr add 192.168.50.2/24 dev eth0",
     "sudo ip addr del 192.168.50.2/24 dev eth0"),
    (mini1("address-missing", "fabric", expected="10.10.0.1", interface="bridge0"), MINI1,
     "sudo ifconfig bridge0 inet 10.10.0.1 netmask 255.255.255.0 alias",
     "sudo ifconfig bridge0 inet 10.10.0.1 -alias"),
    (pi5("interface-down", "edge50", interface="eth0", enabled=False), PI5,
     "sudo ip link set eth0 up", "sudo ip link set eth0 down"),
    (mini1("interface-down", "fabric", interface="bridge0", enabled=False), MINI1,
     "sudo ifconfig bridge0 up", "sudo ifconfig bridge0 down"),
    (pi5("rp-filter-strict", interface="eth0"), PI5,
     "sudo sysctl -w net.ipv4.conf.eth0.rp_filter=2",
     "sudo sysctl -w net.ipv4.conf.eth0.rp_filter=1"),
    (pi5("rp-filter-strict", interface="eth0.50"), PI5,
     "sudo sysctl -w net.ipv4.conf.eth0/50.rp_filter=2",
     "sudo sysctl -w net.ipv4.conf.eth0/50.rp_filter=1"),
    (pi5("wifi-power-save", interface="wlan0"), PI5, "sudo iw dev wlan0 set power_save off",
     "sudo iw dev wlan0 set power_save on"),
]  # fmt: skip


@pytest.mark.parametrize(("finding", "known", "command", "undo"), LIVE)
def test_the_one_live_step(finding: Finding, known: NodeFacts, command: str, undo: str) -> None:
    found = steps(FLEET, finding, known)
    assert [(s.command, s.undo, s.lasts) for s in found] == [(command, undo, False)]
    assert found[0].does


@pytest.mark.parametrize(
    ("finding", "known"),
    [
        (pi5("interface-down", "edge50", interface="eth0", enabled=True), PI5),
        (pi5("address-missing", "edge50", expected="192.168.50.2"), PI5),
        (mini1("address-missing", "fabric", expected="10.10.0.1"), MINI1),
        (pi5("sleep-enabled", found="10"), PI5),
        (pi5("forwarding-not-persistent"), PI5),
        (mini1("rp-filter-strict", interface="en0"), MINI1),
        (
            pi5("default-route-stolen", "edge50", found="192.168.50.1", interface="eth0"),
            facts("linux", PI5_CARDS, route("default", "192.168.50.1", "eth0", 50)),
        ),
        (
            mini1("default-route-stolen", "fabric", found="10.10.0.2", interface="bridge0"),
            facts("macos", MINI1_CARDS, route("default", "10.10.0.2", "bridge0")),
        ),
        (WAY, facts("freebsd", PI5_CARDS)),
        (WAY, replace(PI5, system=None)),
    ],
)
def test_no_live_step(finding: Finding, known: NodeFacts) -> None:
    assert steps(FLEET, finding, known) == ()


def test_the_right_mask_is_added_before_the_wrong_one_goes() -> None:
    """So the interface is never without an address, which would take its routes away."""
    known = facts("linux", (interface("eth0", "192.168.50.2/16"),))
    assert [s.command for s in steps(FLEET, MASK, known)] == [
        "sudo ip addr add 192.168.50.2/24 dev eth0",
        "sudo ip addr del 192.168.50.2/16 dev eth0",
    ]


def test_a_mask_that_a_router_gives_is_left_to_it() -> None:
    by_router = mini1("address-wrong-prefix", "wifi", expected="192.168.1.11", interface="en1")
    known = facts("macos", (interface("en1", "192.168.1.11/23"),))
    of_pi5 = pi5("address-wrong-prefix", "wifi", expected="192.168.1.25", interface="wlan0")
    of_linux = facts("linux", (interface("wlan0", "192.168.1.25/23"),))
    for finding, told, setup in (
        (replace(by_router, masks=(23,)), known, MACOS),
        (replace(of_pi5, masks=(23,)), of_linux, LINUX),
    ):
        made = plan(FLEET, finding, told, setup)
        assert made.steps == ()
        assert "by DHCP, and the mask with it: change 192.168.1.0/24 in nodes.yaml" in made.notes[0]
        assert plan(FLEET, finding, replace(told, setup=setup)).steps == ()


def test_the_own_address_is_there_before_the_other_nodes_goes() -> None:
    instead = replace(TWIN_OF_PI5, address=IPv4Address("192.168.50.2"))
    known = facts("linux", (interface("eth0", "192.168.50.1/24"),))
    assert [s.command for s in steps(FLEET, instead, known)] == [
        "sudo ip addr add 192.168.50.2/24 dev eth0",
        "sudo ip addr del 192.168.50.1/24 dev eth0",
    ]


def test_without_a_live_repair_there_is_no_lasting_one() -> None:
    cable = pi5("interface-down", "edge50", interface="eth0", enabled=True)
    made = plan(FLEET, cable, PI5, LINUX)
    assert made.steps == ()
    assert made.notes == ("eth0 is switched on: look at its cable",)


def test_only_default_routes_with_a_better_metric_are_deleted() -> None:
    known = facts(
        "linux",
        PI5_CARDS,
        route("default", "192.168.50.1", "eth0"),
        route("default", "192.168.50.7", "eth0", 100),
        route("default", "192.168.1.1", "wlan0", 600),
        route("default", "192.168.50.1", "eth0", 700),
    )
    stolen = pi5("default-route-stolen", "edge50", found="192.168.50.1", interface="eth0")
    assert [s.command for s in steps(FLEET, stolen, known)] == [
        "sudo ip route del default via 192.168.50.1 dev eth0",
        "sudo ip route del default via 192.168.50.7 dev eth0 metric 100",
    ]


def test_scoped_and_cloned_routes_of_macos_are_not_touched() -> None:
    part = IPv4Network("192.168.51.128/25")
    wrong = IPv4Address("10.10.0.2")
    known = facts(
        "macos",
        MINI1_CARDS,
        Route(part, wrong, "bridge0", scoped=True),
        Route(part, wrong, "bridge0", cloned=True),
        Route(RETURN_TO, IPv4Address("10.10.0.3"), "bridge0", scoped=True),
        Route(part, wrong, "bridge0"),
    )
    found = mini1("route-wrong-gateway", "edge51", expected="10.10.0.3", found="10.10.0.2")
    assert [s.command for s in steps(FLEET, found, known)] == [
        "sudo route -n delete -net 192.168.51.128/25 10.10.0.2",
        "sudo route -n add -net 192.168.51.0/24 10.10.0.3",
    ]


@pytest.mark.parametrize(
    ("finding", "known", "interface"),
    [
        (WAY, PI5, "eth0"),
        (RETURN, MINI1, "bridge0"),
        (NO_ADDRESS, PI5, "eth0"),
        (pi5("default-route-stolen", "edge50", interface="eth0"), PI5, "eth0"),
        (pi5("forwarding-off"), PI5, ""),
        # SSH comes over the control network, which such a route is not about
        (DETOUR, PI5, ""),
        (
            replace(
                DETOUR,
                network=FLEET.networks["wifi"],
                address=None,
                instead="eth0",
                entry=route("192.168.1.12/32", None, "wlan0"),
            ),
            facts("linux", PI5_CARDS, route("192.168.1.0/24", None, "eth0")),
            "wlan0",
        ),
        (pi5("wifi-power-save", interface="wlan0"), PI5, ""),
    ],
)
def test_a_step_names_the_interface_that_it_could_cut(
    finding: Finding, known: NodeFacts, interface: str
) -> None:
    found = steps(FLEET, finding, known)
    assert {s.interface for s in found} == {interface}


def test_no_route_is_taken_from_a_program_or_an_address() -> None:
    """The reason says what to do instead."""
    vpn = replace(DETOUR, entry=replace(TO_HOST, interface="wg0"), interface="wg0", owner=VPN)
    by_rule = replace(DETOUR, entry=None, interface="eth7")
    twin = astray("pi5", "edge50", route("192.168.50.0/24", None, "eth1"), instead="eth0")
    cards = (*PI5_CARDS, interface("eth1", "192.168.50.77/24"))
    known = facts("linux", cards, route("192.168.50.0/24", None, "eth0", 100))
    for finding, why in (
        (vpn, "wg0 belongs to WireGuard: leave WireGuard, or exclude the address in it"),
        (by_rule, "no route in the table of pi5 leads there, so a rule before it does"),
        (twin, "eth1 has an address of its own in 192.168.50.0/24: take that address away, or give "
               "that network another number"),
    ):  # fmt: skip
        made = plan(FLEET, finding, known, LINUX)
        assert (made.steps, made.notes) == ((), (why,))


# lasting steps


def lasting(finding: Finding, known: NodeFacts, setup: NetworkSetup) -> list[tuple[str, str]]:
    made = plan(FLEET, finding, known, setup)
    assert not made.notes
    return [(s.command, s.undo) for s in made.steps if s.lasts]


STALE = replace(
    ETH, routes=(ProfileRoute(FABRIC, IPv4Address("192.168.50.9"), "10.10.0.0/24 192.168.50.9 50"),)
)
DHCP = replace(ETH, method="auto", addresses=(), never_default=False)
SETMANUAL = "sudo networksetup -setmanual 'Thunderbolt Bridge' 10.10.0.1 255.255.255.0"
STOLEN = mini1("default-route-stolen", "fabric", found="10.10.0.2", interface="bridge0")
TEXT = '"net.ipv4.ip_forward = 1"'
FILE = "/etc/sysctl.d/90-fleet.conf"


def written(*lines: str) -> str:
    words = " ".join(lines)
    return (
        f'sudo sh -c \'f={FILE}; printf "%s\\n" {words} >$f.new && chmod 644 $f.new && '
        "chown 0:0 $f.new && mv $f.new $f'"
    )


HOME = replace(WIFI, routes=(ProfileRoute(TO_HOST.to, TO_HOST.via, "10.10.0.1/32 192.168.1.1 50"),))
ASTRAY_SERVICE = NetworkService(
    "Wi-Fi", True, "en1", "dhcp", routes=(ServiceRoute(MAC_HOST.to, IPv4Address("192.168.1.1")),)
)

TWIN_PROFILE = replace(ETH, addresses=("192.168.50.2/24", "192.168.50.1/24"))
LASTING = [
    (DETOUR, PI5, NetworkSetup(profiles=(HOME,)),
     "sudo nmcli con mod 7e0352de -ipv4.routes '10.10.0.1/32 192.168.1.1 50'",
     "sudo nmcli con mod 7e0352de +ipv4.routes '10.10.0.1/32 192.168.1.1 50'"),
    (replace(DETOUR, entry=TAKEN), PI5, LINUX,
     f"sudo nmcli con mod {UUID} +ipv4.routes '10.10.0.0/24 192.168.50.1'",
     f"sudo nmcli con mod {UUID} -ipv4.routes '10.10.0.0/24 192.168.50.1'"),
    (MAC_DETOUR, MINI1, NetworkSetup(services=(ASTRAY_SERVICE,)),
     "sudo networksetup -setadditionalroutes Wi-Fi",
     "sudo networksetup -setadditionalroutes Wi-Fi 10.10.0.2 255.255.255.255 192.168.1.1"),
    (TWIN_OF_PI5, PI5, NetworkSetup(profiles=(TWIN_PROFILE,)),
     f"sudo nmcli con mod {UUID} ipv4.addresses 192.168.50.2/24 ipv4.method manual "
     "ipv4.never-default yes",
     f"sudo nmcli con mod {UUID} ipv4.addresses 192.168.50.2/24,192.168.50.1/24 ipv4.method manual "
     "ipv4.never-default yes"),
    (TWIN_OF_PI5, PI5, NetworkSetup(profiles=(replace(ETH, addresses=("192.168.50.1/24",)),)),
     f"sudo nmcli con mod {UUID} ipv4.addresses 192.168.50.2/24 ipv4.method manual "
     "ipv4.never-default yes",
     f"sudo nmcli con mod {UUID} ipv4.addresses 192.168.50.1/24 ipv4.method manual "
     "ipv4.never-default yes"),
    (TWIN_OF_MAC, MINI1,
     NetworkSetup(services=(replace(BRIDGE, address=IPv4Address("10.10.0.9")),)),
     "sudo networksetup -setmanual 'Thunderbolt Bridge' 10.10.0.1 255.255.255.0",
     "sudo networksetup -setmanual 'Thunderbolt Bridge' 10.10.0.9 255.255.255.0"),
    (WAY, PI5, LINUX, f"sudo nmcli con mod {UUID} +ipv4.routes '10.10.0.0/24 192.168.50.1'",
     f"sudo nmcli con mod {UUID} -ipv4.routes '10.10.0.0/24 192.168.50.1'"),
    (WAY, PI5, NetworkSetup(profiles=(STALE,)),
     f"sudo nmcli con mod {UUID} -ipv4.routes '10.10.0.0/24 192.168.50.9 50' "
     "+ipv4.routes '10.10.0.0/24 192.168.50.1'",
     f"sudo nmcli con mod {UUID} -ipv4.routes '10.10.0.0/24 192.168.50.1' "
     "+ipv4.routes '10.10.0.0/24 192.168.50.9 50'"),
    (pi5("default-route-stolen", "edge50", interface="eth0"), PI5, NetworkSetup(profiles=(DHCP,)),
     f"sudo nmcli con mod {UUID} ipv4.never-default yes",
     f"sudo nmcli con mod {UUID} ipv4.never-default no"),
    (NO_ADDRESS, PI5, NetworkSetup(profiles=(DHCP,)),
     f"sudo nmcli con mod {UUID} ipv4.addresses 192.168.50.2/24 ipv4.method manual "
     "ipv4.never-default yes",
     f"sudo nmcli con mod {UUID} ipv4.addresses '' ipv4.method auto ipv4.never-default no"),
    (pi5("wifi-power-save", interface="wlan0"), PI5, LINUX,
     "sudo nmcli con mod 7e0352de 802-11-wireless.powersave 2",
     "sudo nmcli con mod 7e0352de 802-11-wireless.powersave 0"),
    (pi5("forwarding-off"), PI5, LINUX, written(TEXT), f"sudo rm -f {FILE}"),
    (pi5("forwarding-not-persistent"), PI5, LINUX, written(TEXT), f"sudo rm -f {FILE}"),
    (pi5("forwarding-off"), PI5, NetworkSetup(sysctl="# mine: $5\nnet/ipv4/ip_forward=0\n"),
     written('"# mine: \\$5"', TEXT), written('"# mine: \\$5"', '"net/ipv4/ip_forward=0"')),
    (pi5("rp-filter-strict", interface="eth0"), PI5, LINUX,
     written('"net.ipv4.conf.eth0.rp_filter = 2"'), f"sudo rm -f {FILE}"),
    (RETURN, MINI1, MACOS,
     "sudo networksetup -setadditionalroutes 'Thunderbolt Bridge' "
     "192.168.51.0 255.255.255.0 10.10.0.3",
     "sudo networksetup -setadditionalroutes 'Thunderbolt Bridge'"),
    (STOLEN, MINI1,
     NetworkSetup(services=(replace(BRIDGE, router=IPv4Address("10.10.0.2")),)), SETMANUAL,
     f"{SETMANUAL} 10.10.0.2"),
    (STOLEN, MINI1, NetworkSetup(services=(replace(BRIDGE, method="dhcp"),)), SETMANUAL,
     "sudo networksetup -setdhcp 'Thunderbolt Bridge'"),
    (mini1("address-missing", "fabric", expected="10.10.0.1", interface="bridge0"), MINI1,
     NetworkSetup(services=(NetworkService("Puente", True, "bridge0", "off"),)),
     "sudo networksetup -setmanual Puente 10.10.0.1 255.255.255.0",
     "sudo networksetup -setv4off Puente"),
    (mini1("address-missing", "fabric", expected="10.10.0.1", interface="bridge0"), MINI1,
     NetworkSetup(services=(replace(BRIDGE, enabled=False),)),
     "sudo networksetup -setnetworkserviceenabled 'Thunderbolt Bridge' on",
     "sudo networksetup -setnetworkserviceenabled 'Thunderbolt Bridge' off"),
    (mini1("sleep-enabled", found="1"), MINI1, MACOS, "sudo pmset -a sleep 0 disksleep 0",
     "sudo pmset -a sleep 1 disksleep 10"),
]  # fmt: skip


RESTING = replace(ETH, autoconnect=False)
LASTING += [
    (pi5("address-not-persistent", "edge50", expected="192.168.50.2", interface="eth0"), PI5,
     NetworkSetup(profiles=(RESTING,)),
     f"sudo nmcli con mod {UUID} ipv4.addresses 192.168.50.2/24 ipv4.method manual "
     "ipv4.never-default yes connection.autoconnect yes",
     f"sudo nmcli con mod {UUID} ipv4.addresses 192.168.50.2/24 ipv4.method manual "
     "ipv4.never-default yes connection.autoconnect no"),
    (pi5("address-not-persistent", "wifi", expected="192.168.1.25", interface="wlan0"), PI5, LINUX,
     "sudo nmcli con mod 7e0352de ipv4.addresses 192.168.1.25/24 ipv4.method manual "
     "ipv4.never-default no",
     "sudo nmcli con mod 7e0352de ipv4.addresses '' ipv4.method auto ipv4.never-default no"),
    (pi5("route-not-persistent", "fabric", expected="192.168.50.1", interface="eth0"), PI5, LINUX,
     f"sudo nmcli con mod {UUID} +ipv4.routes '10.10.0.0/24 192.168.50.1'",
     f"sudo nmcli con mod {UUID} -ipv4.routes '10.10.0.0/24 192.168.50.1'"),
    (mini1("route-not-persistent", "edge51", expected="10.10.0.3", interface="bridge0"), MINI1,
     MACOS, "sudo networksetup -setadditionalroutes 'Thunderbolt Bridge' "
     "192.168.51.0 255.255.255.0 10.10.0.3",
     "sudo networksetup -setadditionalroutes 'Thunderbolt Bridge'"),
    (mini1("address-not-persistent", "wifi", expected="192.168.1.11", interface="en1"), MINI1,
     NetworkSetup(services=(NetworkService("Wi-Fi", True, "en1", "manual",
                  IPv4Address("192.168.1.12"), IPv4Address("255.255.255.0"),
                  IPv4Address("192.168.1.1"), ()),)),
     "sudo networksetup -setmanual Wi-Fi 192.168.1.11 255.255.255.0 192.168.1.1",
     "sudo networksetup -setmanual Wi-Fi 192.168.1.12 255.255.255.0 192.168.1.1"),
]  # fmt: skip


def managed(manager: Manager, where: str) -> NetworkSetup:
    eth0 = InterfaceSetup("eth0", manager, where)
    return NetworkSetup(unknown={"profiles": "none"}, interfaces={"eth0": eth0})


@pytest.mark.parametrize(
    ("finding", "node", "setup"),
    [
        (pi5("address-not-persistent", "wifi", expected="192.168.1.25", interface="wlan0"), PI5,
         LINUX),
        (mini1("address-not-persistent", "wifi", expected="192.168.1.11", interface="en1"), MINI1,
         MACOS),
    ],
)  # fmt: skip
def test_an_address_that_dhcp_gives_is_never_made_a_fixed_one(
    finding: Finding, node: NodeFacts, setup: NetworkSetup
) -> None:
    made = plan(with_dhcp(FLEET, finding.node, "wifi"), finding, node, setup)
    assert made.steps == ()
    assert any("nodes.yaml says that DHCP gives this address" in note for note in made.notes)


@pytest.mark.parametrize(
    ("setup", "address", "route"),
    [
        (
            managed("systemd-networkd", "/usr/lib/systemd/network/eth0.network"),
            "write into /etc/systemd/network/eth0.network: `[Network]`, `Address=192.168.50.2/24`",
            "write into /etc/systemd/network/eth0.network: `[Route]`, "
            "`Destination=10.10.0.0/24`, `Gateway=192.168.50.1`",
        ),
        (
            managed("systemd-networkd", "/run/systemd/network/10-netplan-eth0.network"),
            "write into a file of /etc/netplan, under `ethernets:`, `eth0:`: "
            "`addresses: [192.168.50.2/24]`",
            "write into a file of /etc/netplan, under `ethernets:`, `eth0:`: "
            "`routes: [{to: 10.10.0.0/24, via: 192.168.50.1}]`",
        ),
        (
            managed("dhcpcd", "/etc/dhcpcd.conf"),
            "write into /etc/dhcpcd.conf: `interface eth0`, `static ip_address=192.168.50.2/24`",
            "write into /etc/dhcpcd.conf: `interface eth0`, "
            "`static routes=10.10.0.0/24 192.168.50.1`",
        ),
        (
            managed("ifupdown", "/etc/network/interfaces"),
            "write into /etc/network/interfaces: `auto eth0`, `iface eth0 inet static`, "
            "`address 192.168.50.2/24`",
            "write into /etc/network/interfaces: "
            "`up ip route add 10.10.0.0/24 via 192.168.50.1 dev eth0`, below `iface eth0 inet …`",
        ),
    ],
)
def test_the_lines_to_write_where_there_is_no_lasting_repair(
    setup: NetworkSetup, address: str, route: str
) -> None:
    of_address = pi5("address-not-persistent", "edge50", expected="192.168.50.2", interface="eth0")
    of_route = pi5("route-not-persistent", "fabric", expected="192.168.50.1", interface="eth0")
    for finding, said in ((of_address, address), (of_route, route), (NO_ADDRESS, address)):
        made = plan(FLEET, finding, PI5, setup)
        assert not any(s.lasts for s in made.steps)
        [note] = made.notes
        assert note.startswith("pi5: for good by hand, because ")
        assert note.endswith(said)


def test_a_default_route_at_boot_is_the_users_to_say() -> None:
    for finding, known, setup in (
        (pi5("route-not-persistent", interface="wlan0"), PI5, LINUX),
        (mini1("route-not-persistent", interface="en1"), MINI1, MACOS),
    ):
        made = plan(FLEET, finding, known, setup)
        assert made.steps == ()
        assert "which router the control network has" in made.notes[0]


@pytest.mark.parametrize(("finding", "known", "setup", "command", "undo"), LASTING)
def test_the_one_lasting_step(
    finding: Finding, known: NodeFacts, setup: NetworkSetup, command: str, undo: str
) -> None:
    assert lasting(finding, known, setup) == [(command, undo)]


@pytest.mark.parametrize(("finding", "known", "setup", "_command", "_undo"), LASTING)
def test_what_is_set_up_already_is_not_changed(
    finding: Finding, known: NodeFacts, setup: NetworkSetup, _command: str, _undo: str
) -> None:
    after = plan(FLEET, finding, known, setup).setup
    assert after is not None
    if finding.code != "sleep-enabled":  # the finding itself says that it is not set up
        assert lasting(finding, known, after) == []


def test_a_launch_daemon_switches_forwarding_on_at_boot() -> None:
    made = plan(FLEET, mini1("forwarding-not-persistent"), MINI1, MACOS)
    file, load = made.steps
    path = "/Library/LaunchDaemons/dev.fleetctl.forwarding.plist"
    assert file.command.startswith(f"sudo sh -c 'f={path}; ")
    assert file.command.endswith("chmod 644 $f.new && chown 0:0 $f.new && mv $f.new $f'")
    assert file.undo == f"sudo rm -f {path}"
    assert load.command == f"sudo launchctl bootstrap system {path}"
    assert load.undo == "sudo launchctl bootout system/dev.fleetctl.forwarding"
    assert made.setup is not None
    assert made.setup.daemon == DAEMON_TEXT
    assert lasting(mini1("forwarding-not-persistent"), MINI1, made.setup) == []


def test_forwarding_that_lasts_already_is_only_switched_on() -> None:
    kept = replace(MINI1, network=replace(MINI1.network, forwarding_persistent=True))
    assert lasting(mini1("forwarding-off"), kept, MACOS) == []


def test_the_list_of_additional_routes_is_given_whole() -> None:
    other = ServiceRoute(IPv4Network("172.16.0.0/16"), IPv4Address("10.10.0.7"))
    stale = ServiceRoute(IPv4Network("192.168.51.0/24"), IPv4Address("10.10.0.9"))
    setup = NetworkSetup(services=(replace(BRIDGE, routes=(stale, other)),))
    [(command, undo)] = lasting(RETURN, MINI1, setup)
    begin = "sudo networksetup -setadditionalroutes 'Thunderbolt Bridge' "
    kept = "172.16.0.0 255.255.0.0 10.10.0.7"
    assert command == f"{begin}{kept} 192.168.51.0 255.255.255.0 10.10.0.3"
    assert undo == f"{begin}192.168.51.0 255.255.255.0 10.10.0.9 {kept}"


def test_two_routes_of_one_service_do_not_overwrite_each_other() -> None:
    second = mini1("return-route-missing", "edge50", expected="10.10.0.3")
    made = list(plans(FLEET, [RETURN, second], MINI1, MACOS))
    commands = [s.command for p in made for s in p.steps if s.lasts]
    undos = [s.undo for p in made for s in p.steps if s.lasts]
    begin = "sudo networksetup -setadditionalroutes 'Thunderbolt Bridge'"
    first = "192.168.51.0 255.255.255.0 10.10.0.3"
    assert commands == [f"{begin} {first}", f"{begin} {first} 192.168.50.0 255.255.255.0 10.10.0.3"]
    assert undos == [begin, f"{begin} {first}"]


NEW_BRIDGE = mini1("address-missing", "fabric", expected="10.10.0.1", interface="bridge0")


def test_a_service_that_is_not_there_is_made() -> None:
    """Routes are added to it, and a name that is in use is not taken."""
    other = NetworkService("fabric bridge0", True, "en7", "dhcp", routes=())
    setup = NetworkSetup(services=(other,))
    made = plan(FLEET, NEW_BRIDGE, MINI1, setup)
    name = "'fabric bridge0 2'"
    assert [(s.command, s.undo) for s in made.steps if s.lasts] == [
        (f"sudo networksetup -createnetworkservice {name} bridge0",
         f"sudo networksetup -removenetworkservice {name}"),
        (f"sudo networksetup -setmanual {name} 10.10.0.1 255.255.255.0",
         f"sudo networksetup -setnetworkserviceenabled {name} off"),
    ]  # fmt: skip
    assert {s.interface for s in made.steps} == {"bridge0"}
    assert made.setup
    assert lasting(RETURN, MINI1, made.setup) == [
        (f"sudo networksetup -setadditionalroutes {name} 192.168.51.0 255.255.255.0 10.10.0.3",
         f"sudo networksetup -setadditionalroutes {name}"),
    ]  # fmt: skip
    assert plan(FLEET, NEW_BRIDGE, MINI1, made.setup).steps == made.steps[:1]  # what is live alone


def test_a_disabled_service_is_set_up_and_enabled() -> None:
    off = NetworkService("Bridge", False, "bridge0", "dhcp", routes=())
    made = plan(FLEET, NEW_BRIDGE, MINI1, NetworkSetup(services=(off,)))
    assert [(s.command, s.undo) for s in made.steps if s.lasts] == [
        ("sudo networksetup -setmanual Bridge 10.10.0.1 255.255.255.0",
         "sudo networksetup -setdhcp Bridge"),
        ("sudo networksetup -setnetworkserviceenabled Bridge on",
         "sudo networksetup -setnetworkserviceenabled Bridge off"),
    ]  # fmt: skip


def test_two_keys_of_one_sysctl_file_do_not_overwrite_each_other() -> None:
    found = [pi5("forwarding-off"), pi5("rp-filter-strict", interface="eth0")]
    first, second = (p.steps[-1] for p in plans(FLEET, found, PI5, LINUX))
    assert second.command == written(TEXT, '"net.ipv4.conf.eth0.rp_filter = 2"')
    assert (first.undo, second.undo) == (f"sudo rm -f {FILE}", written(TEXT))


ROUTES_UNREAD = replace(BRIDGE, routes=None)
SHARED = (BRIDGE, replace(BRIDGE, name="Bridge 2"))
DISABLED = (replace(BRIDGE, enabled=False),)


@pytest.mark.parametrize(
    ("finding", "known", "setup", "said"),
    [
        (RETURN, MINI1, NetworkSetup(services=SHARED), '"Thunderbolt Bridge", "Bridge 2"'),
        (RETURN, MINI1, NetworkSetup(services=DISABLED), '"Thunderbolt Bridge" (disabled)'),
        (RETURN, MINI1, NetworkSetup(services=()), "there are: none"),
        (RETURN, MINI1, NetworkSetup(services=(ROUTES_UNREAD,)), "cannot be read"),
        (RETURN, MINI1, NetworkSetup(unknown={"services": "odd text"}), "odd text"),
        (STOLEN, MINI1, NetworkSetup(services=(replace(BRIDGE, method=None),)), "cannot be read"),
        (STOLEN, MINI1, NetworkSetup(services=()), "there are: none"),
        (STOLEN, MINI1, NetworkSetup(services=DISABLED), '"Thunderbolt Bridge" (disabled)'),
        (NEW_BRIDGE, MINI1, NetworkSetup(services=SHARED), '"Thunderbolt Bridge", "Bridge 2"'),
        (WAY, PI5, NetworkSetup(unknown={"profiles": "there is no NetworkManager"}), "no Network"),
        (WAY, PI5, NetworkSetup(profiles=(WIFI,)), "profiles for eth0: none"),
        (
            WAY,
            PI5,
            NetworkSetup(
                profiles=(replace(ETH, device=None), replace(ETH, device=None, uuid=TWIN))
            ),
            f"eth-static ({UUID}), eth-static ({TWIN})",
        ),
        (pi5("forwarding-off"), PI5, NetworkSetup(unknown={"sysctl": "denied"}), "denied"),
        (mini1("forwarding-off"), MINI1, NetworkSetup(unknown={"daemon": "denied"}), "denied"),
    ],
)
def test_no_lasting_step_if_it_is_not_certain_what_to_change(
    finding: Finding, known: NodeFacts, setup: NetworkSetup, said: str
) -> None:
    made = plan(FLEET, finding, known, setup)
    assert [s.lasts for s in made.steps] == [False]
    assert len(made.notes) == 1
    assert said in made.notes[0]


@pytest.mark.parametrize(
    "twin",
    [
        replace(ETH, uuid=TWIN, device=None),
        replace(ETH, uuid=TWIN, device=None, bound_to=None),
        replace(ETH, uuid=TWIN, device=None, name="netplan-eth0"),
    ],
)
def test_of_two_profiles_the_active_one_is_changed_and_the_other_reported(twin: Profile) -> None:
    made = plan(FLEET, WAY, PI5, NetworkSetup(profiles=(twin, ETH)))
    [step] = [s for s in made.steps if s.lasts]
    assert f"con mod {UUID} " in step.command
    [note] = made.notes
    assert TWIN in note
    assert "delete" in note


def test_a_profile_without_autoconnect_is_not_reported() -> None:
    resting = replace(ETH, uuid=TWIN, device=None, autoconnect=False)
    assert plan(FLEET, WAY, PI5, NetworkSetup(profiles=(resting, ETH))).notes == ()


def lack(program: str, path: str | None = None) -> dict[str, Any]:
    return {"lack": Lack(Requirement(program, ">=", "3.11"), path, "3.9" if path else "")}


UV = "{ curl -LsSf https://astral.sh/uv/install.sh || echo false; } | sh"
INSTALLS = [
    (PI5, lack("iperf3"), "sudo apt-get install -y iperf3", "sudo apt-get remove -y iperf3"),
    (PI5, lack("node"), "sudo apt-get install -y nodejs", "sudo apt-get remove -y nodejs"),
    (PI5, lack("uv"), UV, "rm -f ~/.local/bin/uv ~/.local/bin/uvx"),
    (PI5, lack("uv", "/home/pi/.local/bin/uv"), UV, ""),
    (PI5, lack("git", "/usr/bin/git"), "sudo apt-get install -y git", ""),
    (MINI1, lack("uv"), "brew install uv", "brew uninstall uv"),
    (MINI1, lack("python3"), "brew install python", "brew uninstall python"),
    (MINI1, lack("python3.12"), "brew install python@3.12", "brew uninstall python@3.12"),
    (MINI1, lack("git", "/opt/homebrew/bin/git"), "brew upgrade git", ""),
]


@pytest.mark.parametrize(("known", "lack", "command", "undo"), INSTALLS)
def test_a_program_is_installed(
    known: NodeFacts, lack: dict[str, Any], command: str, undo: str
) -> None:
    finding = Finding("requirement-missing", "pi5" if known is PI5 else "mini1", **lack)
    [step] = steps(FLEET, finding, known)
    assert (step.command, step.undo, step.lasts, step.installs) == (command, undo, True, True)
    repair = Repair(Problem("requirement-missing", "error", ""), "x", "macos", (step,))
    assert repair.runnable(persistent=False) == (step,)


def test_a_program_that_neither_brew_nor_apt_brought_is_left_to_the_user() -> None:
    for node, known, path in (
        ("mini1", MINI1, "/usr/bin/python3"),
        ("pi5", PI5, "/home/pi/.local/bin/python3"),
    ):
        finding = Finding("requirement-missing", node, **lack("python3", path))
        made = plan(FLEET, finding, known)
        assert made.steps == ()
        [note] = made.notes
        assert note.startswith(f"{node}: {path} comes first in PATH")


def remedy_of(finding: Finding, known: NodeFacts) -> Remedy:
    assert known.system
    [found] = [r for os, r in FINDING_KINDS[finding.code].remedies.items() if os == known.system.os]
    assert isinstance(found, Remedy)
    return found


def test_every_remedy_has_its_commands_here() -> None:
    remedies = [
        r
        for kind in FINDING_KINDS.values()
        for r in kind.remedies.values()
        if isinstance(r, Remedy)
    ]
    live = {remedy_of(finding, known).live for finding, known, *_ in LIVE}
    # what stay_awake sets lasts, so it is in LASTING; what installs programs is in INSTALLS
    elsewhere = {nothing_live, macos.stay_awake, programs.by_apt, programs.by_brew}
    elsewhere |= {boot_start.on_linux, boot_start.on_macos}  # test_boot_start.py
    assert {r.live for r in remedies} - live == elsewhere
    lasting = {remedy_of(finding, known).lasting for finding, known, *_ in LASTING}
    by_itself = {boot_files.forwarding_on_macos}  # two steps, in their own test
    assert {r.lasting for r in remedies if not isinstance(r.lasting, str)} - lasting == by_itself


def test_only_kinds_made_of_findings_have_a_remedy() -> None:
    """A remedy needs a finding."""
    repaired = [
        k for k in KINDS.values() if any(isinstance(r, Remedy) for r in k.remedies.values())
    ]
    assert all(isinstance(kind, FindingKind) for kind in repaired)
