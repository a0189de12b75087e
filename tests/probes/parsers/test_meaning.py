"""The parsers' results as the values that are the same on every operating system."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network

import pytest

from fleetctl.model.network import Echo, Interface, Neighbour, NeighbourState, Route, RouteTaken
from fleetctl.probes.parsers import failures
from fleetctl.probes.parsers.arp import parse_arp
from fleetctl.probes.parsers.fdesetup import parse_filevault
from fleetctl.probes.parsers.ifconfig import parse_ifconfig
from fleetctl.probes.parsers.ip_addr import parse_ip_addr
from fleetctl.probes.parsers.ip_neigh import parse_ip_neigh
from fleetctl.probes.parsers.ip_route import parse_ip_route
from fleetctl.probes.parsers.ip_route_get import Way, parse_ip_route_get
from fleetctl.probes.parsers.netstat_routes import parse_netstat_routes, routes
from fleetctl.probes.parsers.ping import PingSummary, parse_ping
from fleetctl.probes.parsers.pmset import PowerSettings, parse_pmset
from fleetctl.probes.parsers.route_get import RouteGet, parse_route_get
from fleetctl.probes.parsers.unparsed import Unparsed
from fleetctl.probes.parsers.vcgencmd import Throttled
from fleetctl.probes.parsers.vm_stat import VmStat

ASKED = IPv4Address("10.10.0.2")


def test_bridge_without_a_cable_is_enabled_and_has_no_link() -> None:
    found = parse_ifconfig(
        "bridge0: flags=8863<UP,RUNNING> mtu 9000\n"
        "\tether 36:1a:4c:2f:88:2\n"
        "\tinet 10.10.0.1 netmask 0xffffff00 broadcast 10.10.0.255\n"
        "\tmember: en2 flags=3<LEARNING>\n"
        "\tstatus: inactive\n"
    )
    assert found == (
        Interface(
            name="bridge0",
            enabled=True,
            link=False,
            addresses=(IPv4Interface("10.10.0.1/24"),),
            mtu=9000,
            members=("en2",),
            mac="36:1a:4c:2f:88:02",
        ),
    )


def test_link_of_an_interface_without_status_is_not_known() -> None:
    found = parse_ifconfig("lo0: flags=8049<UP,LOOPBACK> mtu 16384\n")
    assert found == (Interface("lo0", enabled=True, link=None, mtu=16384),)
    assert Interface("lo0", enabled=True, link=None).up


def test_linux_interface_without_carrier() -> None:
    found = parse_ip_addr(
        '[{"ifname":"eth0","flags":["NO-CARRIER","UP"],"operstate":"DOWN","addr_info":'
        '[{"local":"192.168.50.2","prefixlen":24}]}]'
    )
    assert found == (
        Interface("eth0", enabled=True, link=False, addresses=(IPv4Interface("192.168.50.2/24"),)),
    )


def test_netstat_rows_as_routes() -> None:
    rows = parse_netstat_routes(
        "default 192.168.7.1 UGScg en1\n"
        "default link#13 UCSIg bridge0 !\n"
        "10.10.0.2 36.1a.4c.2f.88.1 UHLWIi bridge0 1194\n"
        "10.99/16 127.0.0.1 UGSB lo0\n"
        "10.98/16 127.0.0.1 UGSR lo0\n"
    )
    assert not isinstance(rows, Unparsed)
    everywhere = IPv4Network("0.0.0.0/0")
    lo = IPv4Address("127.0.0.1")
    assert routes(rows) == (
        Route(everywhere, IPv4Address("192.168.7.1"), "en1"),
        Route(everywhere, None, "bridge0", scoped=True),
        Route(IPv4Network("10.10.0.2/32"), None, "bridge0", scoped=True, cloned=True),
        Route(IPv4Network("10.99.0.0/16"), lo, "lo0", type="blackhole"),
        Route(IPv4Network("10.98.0.0/16"), lo, "lo0", type="unreachable"),
    )


def test_linux_routes() -> None:
    found = parse_ip_route(
        '[{"dst":"10.10.0.0/24","gateway":"192.168.50.1","dev":"eth0","protocol":"static",'
        '"metric":100,"flags":["linkdown"]},'
        '{"type":"blackhole","dst":"10.99.0.0/16","protocol":"kernel","flags":[]},'
        '{"dst":"10.20.0.0/16","via":{"family":"inet6","host":"fe80::1"},"dev":"eth0",'
        '"protocol":"ra","flags":[]}]'
    )
    assert found == (
        Route(
            IPv4Network("10.10.0.0/24"),
            IPv4Address("192.168.50.1"),
            "eth0",
            metric=100,
            dead=True,
        ),
        Route(IPv4Network("10.99.0.0/16"), None, "", type="blackhole"),
        Route(IPv4Network("10.20.0.0/16"), None, "eth0", type="other"),
    )


def test_way_taken_on_macos() -> None:
    found = parse_route_get(
        "   route to: 10.10.0.2\ndestination: 10.10.0.2\n  interface: bridge0\n"
        "      flags: <UP,HOST,DONE,LLINFO>\n"
    )
    assert isinstance(found, RouteGet)
    assert found.taken(ASKED) == RouteTaken(to=ASKED, interface="bridge0")


def test_no_way_on_macos_though_the_status_is_0() -> None:
    found = parse_route_get("route: writing to routing socket: not in table\n")
    assert isinstance(found, RouteGet)
    assert found.error == "not_in_table"
    said = "route: writing to routing socket: not in table"
    assert found.taken(ASKED) == RouteTaken(to=ASKED, error=said)


def test_a_reject_route_is_no_route() -> None:
    found = parse_route_get("  interface: lo0\n      flags: <UP,GATEWAY,REJECT,DONE>\n")
    assert isinstance(found, RouteGet)
    assert found.taken(ASKED).error == "the route to 10.10.0.2 has the flag REJECT"


def test_way_taken_on_linux() -> None:
    found = parse_ip_route_get(
        '[{"dst":"10.10.0.2","gateway":"192.168.50.1","dev":"eth0","prefsrc":"192.168.50.2"}]'
    )
    assert isinstance(found, Way)
    assert found.taken(ASKED) == RouteTaken(ASKED, IPv4Address("192.168.50.1"), "eth0")


@pytest.mark.parametrize(
    ("word", "state"),
    [
        *((word, "known") for word in ("REACHABLE", "STALE", "DELAY", "PROBE", "NOARP")),
        ("PERMANENT", "known"),
        ("INCOMPLETE", "incomplete"),
        ("FAILED", "failed"),
    ],
)
def test_neighbour_states(word: str, state: NeighbourState) -> None:
    found = parse_ip_neigh(f'[{{"dst":"10.10.0.2","dev":"eth0","state":["{word}"]}}]')
    assert found == (Neighbour(ASKED, "eth0", None, state, reachable=word == "REACHABLE"),)


def test_neighbours_on_two_interfaces_of_a_mac() -> None:
    assert parse_arp(
        "? (10.10.0.2) at 36:1a:4c:2f:88:1 on bridge0 ifscope [bridge]\n"
        "? (10.10.0.2) at (incomplete) on en1 [ethernet]\n"
    ) == (
        Neighbour(ASKED, "bridge0", "36:1a:4c:2f:88:01", "known"),
        Neighbour(ASKED, "en1", None, "incomplete"),
    )


def test_echo_says_what_a_router_answered() -> None:
    found = parse_ping(
        "From 10.0.0.1 icmp_seq=1 Destination Host Unreachable\n"
        "1 packets transmitted, 0 received, +1 errors, 100% packet loss, time 0ms\n"
    )
    assert isinstance(found, PingSummary)
    assert found.error is None
    assert found.echo() == Echo(sent=1, received=0, error="Destination Host Unreachable")


@pytest.mark.parametrize(
    ("bits", "now", "low_voltage", "low_voltage_since_boot"),
    [
        (0x0, False, False, False),
        (0x50000, False, False, True),
        (0x1, True, True, False),
        (0x8, True, False, False),
        (0xE000E, True, False, False),
    ],
)
def test_throttling_now_and_since_boot(
    bits: int, now: bool, low_voltage: bool, low_voltage_since_boot: bool
) -> None:
    found = Throttled(bits)
    assert found.now is now
    assert found.under_voltage_now is low_voltage
    assert found.under_voltage_since_boot is low_voltage_since_boot


def test_memory_in_use_needs_the_size_of_a_page() -> None:
    pages = {"Pages active": 2, "Pages wired down": 3, "Pages occupied by compressor": 5}
    assert VmStat(16384, pages).used_bytes == 163840
    assert VmStat(None, pages).used_bytes is None


@pytest.mark.parametrize(
    "text",
    [
        "sh: 1: iw: not found",
        "sh: iw: not found",
        "bash: iw: command not found",
        "bash: line 1: /usr/sbin/iw: No such file or directory",
        "zsh:1: command not found: iw",
        "zsh:1: no such file or directory: /usr/sbin/iw",
        "fish: Unknown command: iw",
        "env: iw: No such file or directory",
        "env: \u2018iw\u2019: No such file or directory",
        "timeout: failed to run command \u2018iw\u2019: No such file or directory",
        "bash: iw: Kommando nicht gefunden.",
        "bash: iw : commande introuvable",
    ],
)
def test_command_that_is_absent(text: str) -> None:
    assert failures.failure(text) == "command_not_found"


@pytest.mark.parametrize(
    "text",
    [
        "cat: /proc/loadavg: No such file or directory",
        "bash: line 1: cd: /nowhere: No such file or directory",
        "Error: Device 'eth9' not found.",
    ],
)
def test_something_else_is_absent(text: str) -> None:
    assert failures.failure(text) != "command_not_found"


@pytest.mark.parametrize(
    ("text", "on"),
    [
        ("FileVault is On.\n", True),
        ("FileVault is Off.\n", False),
        ("FileVault is On.\nEncryption in progress: Percent completed = 12\n", True),
        ("FileVault is Off.\nDeferred enablement appears to be active for user 'me'.\n", False),
    ],
)
def test_filevault(text: str, on: bool) -> None:
    assert parse_filevault(text) is on


def test_sleep_disabled_outranks_the_minutes() -> None:
    text = "System-wide power settings:\n SleepDisabled\t\t{}\nCurrently in use:\n sleep  1\n"
    found = [parse_pmset(text.format(value)) for value in (0, 1)]
    assert [f.sleep_minutes for f in found if isinstance(f, PowerSettings)] == [1, 0]
    assert [f.set_sleep_minutes for f in found if isinstance(f, PowerSettings)] == [1, 1]


def test_whether_a_mac_starts_again_when_power_returns() -> None:
    for line, restarts in ((" autorestart  1", True), (" autorestart  0", False), ("", None)):
        found = parse_pmset(f"Currently in use:\n sleep  0\n{line}\n")
        assert isinstance(found, PowerSettings)
        assert found.restarts is restarts


def test_an_address_of_dhcp_is_leased() -> None:
    info = '{{"local":"10.10.0.{}","prefixlen":24{}}}'
    infos = ",".join((info.format(1, ',"dynamic":true'), info.format(2, "")))
    found = parse_ip_addr(f'[{{"ifname":"eth0","flags":["UP"],"addr_info":[{infos}]}}]')
    assert not isinstance(found, Unparsed)
    assert found[0].leased == (IPv4Address("10.10.0.1"),)
