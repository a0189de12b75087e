"""Network facts, read from the output of Linux and macOS."""

from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any

import pytest

from fleetctl.model.facts import CUT_OFF, NetworkFacts
from fleetctl.model.network import Interface, Neighbour, Route, RouteTaken
from fleetctl.model.questions import Questions
from fleetctl.model.topology import OS
from fleetctl.probes.node import answered, node_script
from fleetctl.probes.parsers.ip_batch import TOO_OLD
from fleetctl.probes.script import Answer

FABRIC, INTERNET = IPv4Address("10.10.0.1"), IPv4Address("8.8.8.8")
ASKED = Questions("fleet", "pi5", ways=(FABRIC, INTERNET), forwards=True)

# ip -j -force -batch -

ADDRESSES = json.dumps(
    [
        {
            "ifname": "eth0",
            "flags": ["BROADCAST", "MULTICAST", "UP", "LOWER_UP"],
            "mtu": 1500,
            "operstate": "UP",
            "address": "2c:cf:67:00:00:05",
            "addr_info": [{"family": "inet", "local": "192.168.50.2", "prefixlen": 24}],
        }
    ]
)
TABLE = json.dumps(
    [
        {"dst": "default", "gateway": "192.168.1.1", "dev": "wlan0", "metric": 600, "flags": []},
        {"dst": "10.10.0.0/24", "gateway": "192.168.50.1", "dev": "eth0", "flags": ["linkdown"]},
    ]
)
NEIGHBOURS = json.dumps(
    [{"dst": "192.168.50.1", "dev": "eth0", "lladdr": "a0:b1:c2:00:00:01", "state": ["REACHABLE"]}]
)
TO_FABRIC = json.dumps(
    [
        {
            "dst": "10.10.0.1",
            "gateway": "192.168.50.1",
            "dev": "eth0",
            "prefsrc": "192.168.50.2",
            "flags": [],
        }
    ]
)
TO_INTERNET = json.dumps(
    [{"dst": "8.8.8.8", "gateway": "192.168.1.1", "dev": "wlan0", "prefsrc": "192.168.1.25"}]
)
EVERY = [ADDRESSES, TABLE, NEIGHBOURS, TO_FABRIC, TO_INTERNET]
NO_WAY = "RTNETLINK answers: Network is unreachable"
NETWORK = {"interfaces", "routes", "ways", "neighbours", "forwarding"}
"""The probes that are tried here."""


def read_network(
    os: OS, questions: Questions, answers: dict[str, Answer]
) -> tuple[NetworkFacts, dict[str, str]]:
    """The network's facts in a node's answers, and the reasons for unknown ones."""
    script = node_script(questions)
    mark = f"\n\x1e{script.script.token}"
    output = f"{'Linux' if os == 'linux' else 'Darwin'} name arch{mark} uname 0\n" + "".join(
        f"{answer.text}{mark} {name} {answer.exit_status}\n" for name, answer in answers.items()
    )
    facts = answered(script, output).facts()
    unknown = {n: why for n, why in facts.unknown.items() if n in NETWORK or n.startswith("way to")}
    return facts.network, unknown


def texts(os: OS, questions: Questions) -> dict[str, str]:
    """The probes' texts."""
    return dict(node_script(questions).script.texts[os].asked)


def linux(
    *lines: str, forwarding: str = "ip_forward 1", questions: Questions = ASKED
) -> tuple[NetworkFacts, dict[str, str]]:
    answers = {
        "interfaces": Answer("\n".join(lines), 0),
        "forwarding": Answer(forwarding, 0),
    }
    return read_network("linux", questions, answers)


def test_one_process_answers_everything_on_linux() -> None:
    facts, unknown = linux(*EVERY)
    assert unknown == {}
    assert facts.interfaces == (
        Interface(
            "eth0",
            enabled=True,
            link=True,
            addresses=(IPv4Interface("192.168.50.2/24"),),
            mtu=1500,
            mac="2c:cf:67:00:00:05",
        ),
    )
    default, fabric = facts.routes or ()
    assert (default.to, default.metric, default.dead) == (IPv4Network("0.0.0.0/0"), 600, False)
    assert (fabric.to, fabric.via, fabric.dead) == (
        IPv4Network("10.10.0.0/24"), IPv4Address("192.168.50.1"), True,
    )  # fmt: skip
    assert facts.neighbours == (
        Neighbour(
            IPv4Address("192.168.50.1"), "eth0", "a0:b1:c2:00:00:01", "known", reachable=True
        ),
    )
    assert facts.taken == {
        FABRIC: RouteTaken(FABRIC, IPv4Address("192.168.50.1"), "eth0"),
        INTERNET: RouteTaken(INTERNET, IPv4Address("192.168.1.1"), "wlan0"),
    }
    assert facts.forwarding is True


@pytest.mark.parametrize(
    "lines",
    [
        [*EVERY[:3], NO_WAY, "Command failed -:4", TO_INTERNET],
        # stderr is not buffered as stdout to a pipe is, so it may come first
        [NO_WAY, "Command failed -:4", *EVERY[:3], TO_INTERNET],
        [*EVERY[:3], TO_INTERNET, NO_WAY, "Command failed -:4"],
    ],
    ids=["in place", "first", "last"],
)
def test_a_failed_line_does_not_shift_the_other_answers(lines: list[str]) -> None:
    facts, unknown = linux(*lines)
    assert facts.taken[FABRIC] == RouteTaken(FABRIC, error=NO_WAY)
    assert facts.taken[INTERNET].interface == "wlan0"
    assert facts.neighbours is not None
    assert len(facts.neighbours) == 1
    assert unknown == {}


def test_a_failed_command_is_unknown_with_its_reason() -> None:
    said = "Cannot open netlink socket: Address family not supported by protocol"
    facts, unknown = linux(ADDRESSES, TABLE, said, "Command failed -:3", TO_FABRIC, TO_INTERNET)
    assert facts.neighbours is None
    assert set(unknown) == {"neighbours"}
    assert facts.interfaces is not None
    assert facts.routes is not None
    assert set(facts.taken) == {FABRIC, INTERNET}


def test_every_failed_line_has_its_own_reason() -> None:
    """In the order of the lines, wherever stderr is in the answer."""
    blocked = "RTNETLINK answers: No route to host"
    errors = [NO_WAY, "Command failed -:4", blocked, "Command failed -:5"]
    for lines in ([*EVERY[:3], *errors], [*errors, *EVERY[:3]]):
        facts, unknown = linux(*lines)
        assert facts.taken[FABRIC].error == NO_WAY
        assert facts.taken[INTERNET].error == blocked
        assert unknown == {}


def test_a_way_is_only_taken_for_the_address_that_it_names() -> None:
    facts, unknown = linux(*EVERY[:3], TO_INTERNET)
    assert set(facts.taken) == {INTERNET}
    assert unknown == {"way to 10.10.0.1": "no output"}
    facts, unknown = linux(*EVERY[:3], TO_INTERNET, TO_FABRIC)
    assert facts.taken[FABRIC].interface == "eth0"
    assert facts.taken[INTERNET].interface == "wlan0"


WAYS_IN_TEXT = (
    "10.10.0.1 via 192.168.50.1 dev eth0 src 192.168.50.2 uid 0 ",
    "    cache ",
    "RTNETLINK answers: No route to host",
    "Command failed -:5",
)
"""`route get` of iproute2 before 5.0, with -j; the form is iproute.c's."""


def test_an_ip_without_json_ways_is_too_old_to_say() -> None:
    typed = '[{"unreachable","dst":"10.99.0.0/16","flags":[]}]'  # 4.20 prints this, no JSON
    facts, unknown = linux(ADDRESSES, typed, NEIGHBOURS, *WAYS_IN_TEXT)
    assert facts.taken == {}
    assert facts.interfaces is not None
    assert facts.neighbours is not None
    assert unknown == dict.fromkeys(("routes", "way to 10.10.0.1", "way to 8.8.8.8"), TOO_OLD)


def test_an_ip_with_less_json_is_not_guessed_at() -> None:
    """Routes in text: the neighbours' JSON must not be taken for them."""
    table = "default via 192.168.1.1 dev wlan0 metric 600 "
    facts, unknown = linux(ADDRESSES, table, NEIGHBOURS, *WAYS_IN_TEXT)
    assert (facts.interfaces, facts.routes, facts.neighbours) == (None, None, None)
    assert set(unknown.values()) == {TOO_OLD}


def test_answers_that_were_cut_off_are_unknown() -> None:
    facts, unknown = linux(ADDRESSES, TABLE[:40])
    assert facts.interfaces is not None
    assert facts.routes is None
    assert facts.neighbours is None
    assert facts.taken == {}
    assert set(unknown) == {
        "routes", "neighbours", "way to 10.10.0.1", "way to 8.8.8.8",
    }  # fmt: skip


def test_without_ip_everything_is_unknown_and_says_so() -> None:
    facts, unknown = linux("sh: 1: ip: not found")
    assert facts.interfaces is None
    assert facts.routes is None
    assert facts.taken == {}
    assert set(unknown.values()) == {"sh: 1: ip: not found"}


@pytest.mark.parametrize("os", ["linux", "macos"])
def test_probes_that_were_cut_off_say_that(os: OS) -> None:
    facts, unknown = read_network(os, ASKED, {})
    assert facts.forwarding is None
    assert facts.interfaces is None
    assert unknown["interfaces"] == unknown["forwarding"] == CUT_OFF


def test_every_route_is_asked_on_both_systems() -> None:
    for address in ASKED.ways:
        assert f"route get {address}\n" in texts("linux", ASKED)["interfaces"]
        assert f"route -n get {address} " in texts("macos", ASKED)["ways"]


def test_only_nodes_that_must_forward_are_asked_about_the_next_boot() -> None:
    idle = Questions("fleet", "pi5")
    places: dict[OS, str] = {"linux": "/etc/sysctl.d", "macos": "/Library/LaunchDaemons"}
    for os, place in places.items():
        assert place in texts(os, ASKED)["forwarding"]
        assert place not in texts(os, idle)["forwarding"]
    text = "ip_forward 1\n/etc/sysctl.d/9.conf:net.ipv4.ip_forward=1\n"
    assert linux(*EVERY, forwarding=text)[0].forwarding_persistent is True
    assert linux(*EVERY, forwarding=text, questions=idle)[0].forwarding_persistent is None


# forwarding


@pytest.mark.parametrize("os", ["linux", "macos"])
@pytest.mark.parametrize(
    ("text", "forwards", "why"),
    [
        ("ip_forward 1\n", True, None),
        ("ip_forward 2\n", True, None),
        ("ip_forward 0\n", False, None),
        ("ip_forward \nssh \n", None, "ip_forward "),
        ("sysctl: unknown oid 'net.inet.ip.forwarding'\nip_forward \n", None, "sysctl: unknown"),
        ("", None, "no output"),
    ],
)
def test_forwarding(os: OS, text: str, forwards: bool | None, why: str | None) -> None:
    answers = {name: Answer("", 0) for name in ("interfaces", "routes", "ways", "neighbours")} | {
        "forwarding": Answer(text, 0)
    }
    facts, unknown = read_network(os, Questions("fleet", "n"), answers)
    assert facts.forwarding is forwards
    assert ("forwarding" in unknown) is (forwards is None)
    assert unknown.get("forwarding", "").startswith((why or "").strip())


@pytest.mark.parametrize(
    ("everywhere", "own", "strict"),
    # the larger of the two counts: 0 off, 1 strict, 2 loose (kernel, ip-sysctl.rst)
    [(0, 0, False), (0, 1, True), (0, 2, False), (1, 0, True), (1, 1, True), (1, 2, False),
     (2, 0, False), (2, 1, False)],
)  # fmt: skip
def test_the_larger_reverse_path_filter_counts(everywhere: int, own: int, strict: bool) -> None:
    text = f"ip_forward 1\nrp_filter all {everywhere}\nrp_filter eth0.50 {own}\n"
    assert linux(*EVERY, forwarding=text)[0].strict_filters == (("eth0.50",) if strict else ())


def test_filters_that_belong_to_no_interface_are_ignored() -> None:
    text = "rp_filter all 0\nrp_filter default 1\nrp_filter lo 1\nrp_filter eth0 1\n"
    assert linux(*EVERY, forwarding=f"ip_forward 1\n{text}")[0].strict_filters == ("eth0",)


@pytest.mark.parametrize(
    ("said", "address"),
    [
        ("192.168.1.5 51234 192.168.50.2 22", "192.168.50.2"),
        ("fe80::1%wlan0 51234 fe80::2%wlan0 22", None),
        ("", None),
        ("192.168.1.5 51234", None),
    ],
)
@pytest.mark.parametrize("os", ["linux", "macos"])
def test_the_nodes_own_address_of_the_ssh_connection(
    os: OS, said: str, address: str | None
) -> None:
    answers = {"forwarding": Answer(f"ip_forward 1\nssh {said}\n", 0)}
    facts, _ = read_network(os, ASKED, answers)
    assert facts.ssh_address == (IPv4Address(address) if address else None)


IF_INET6 = """\
00000000000000000000000000000001 01 80 10 80       lo
fd000000000000000000000000000012 02 40 00 80     eth0
fd000000000000010000000000000012 03 40 00 80    wlan0
"""
IFCONFIG6 = """\
lo0: flags=8049<UP,LOOPBACK,RUNNING,MULTICAST> mtu 16384
\tinet6 ::1 prefixlen 128
en0: flags=8863<UP,BROADCAST,SMART,RUNNING,SIMPLEX,MULTICAST> mtu 1500
\tinet6 fe80::10%en0 prefixlen 64 secured scopeid 0xe
\tinet6 fd00::12 prefixlen 64 autoconf secured
wlan0: flags=8863<UP,BROADCAST,SMART,RUNNING,SIMPLEX,MULTICAST> mtu 1500
\tinet6 fd00:0:0:1::12 prefixlen 64 autoconf secured
"""


@pytest.mark.parametrize(
    ("own", "interface"),
    [
        ("fe80::2%en1", "en1"),
        ("fd00:0:0:1::12", "wlan0"),
        ("fd00::99", None),
        ("192.168.50.2", None),
    ],
)
@pytest.mark.parametrize(("os", "text"), [("linux", IF_INET6), ("macos", IFCONFIG6)])
def test_the_interface_of_an_ssh_connection_over_ipv6(
    os: OS, text: str, own: str, interface: str | None
) -> None:
    said = f"ip_forward 1\nssh fd00::1 51234 {own} 22\n{text}"
    facts, _ = read_network(os, ASKED, {"forwarding": Answer(said, 0)})
    assert facts.ssh_interface == interface
    assert facts.forwarding is True


# after the next boot

ETC, RUN = "/etc/sysctl.d", "/run/sysctl.d"
LOCAL, USR = "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d"
ON, OFF = "net.ipv4.ip_forward=1", "net.ipv4.ip_forward=0"


@pytest.mark.parametrize(
    ("settings", "persistent", "where"),
    [
        ([], False, ""),
        ([(f"{ETC}/99-fleet.conf", ON)], True, f"{ETC}/99-fleet.conf: {ON}"),
        ([(f"{ETC}/99-fleet.conf", OFF)], False, f"{ETC}/99-fleet.conf: {OFF}"),
        # a later name wins, whichever folder it is in
        ([(f"{ETC}/10-on.conf", ON), (f"{USR}/50-off.conf", OFF)], False,
         f"{USR}/50-off.conf: {OFF}"),
        ([(f"{ETC}/60-on.conf", ON), (f"{USR}/50-off.conf", OFF)], True, f"{ETC}/60-on.conf: {ON}"),
        ([(f"{ETC}/9.conf", ON), (f"{ETC}/10.conf", OFF)], True, f"{ETC}/9.conf: {ON}"),
        # the same name in /etc hides the others, and /run those of the vendor
        ([(f"{ETC}/50-x.conf", ON), (f"{USR}/50-x.conf", OFF)], True, f"{ETC}/50-x.conf: {ON}"),
        ([(f"{ETC}/50-x.conf", OFF), (f"{USR}/50-x.conf", ON)], False, f"{ETC}/50-x.conf: {OFF}"),
        ([(f"{RUN}/50-x.conf", OFF), (f"{LOCAL}/50-x.conf", ON)], False,
         f"{RUN}/50-x.conf: {OFF}"),
        # within a file the last line wins
        ([(f"{ETC}/1.conf", ON), (f"{ETC}/1.conf", OFF)], False, f"{ETC}/1.conf: {OFF}"),
        # the ways to write it
        ([(f"{ETC}/1.conf", "  -net/ipv4/ip_forward = 1 ")], True,
         f"{ETC}/1.conf: net/ipv4/ip_forward = 1"),
        ([(f"{ETC}/1.conf", "net.ipv4.conf.all.forwarding = 1")], True,
         f"{ETC}/1.conf: net.ipv4.conf.all.forwarding = 1"),
    ],
)  # fmt: skip
def test_what_sysctl_d_says_of_the_next_boot(
    settings: list[tuple[str, str]], persistent: bool, where: str
) -> None:
    text = "ip_forward 1\n" + "".join(f"{path}:{setting}\n" for path, setting in settings)
    facts, _ = linux(*EVERY, forwarding=text)
    assert (facts.forwarding_persistent, facts.persistence) == (persistent, where)


def daemon(arguments: list[str], more: str = "<key>RunAtLoad</key><true/>") -> str:
    words = "".join(f"<string>{word}</string>" for word in arguments)
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN"
 "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key><string>local.forwarding</string>
  <key>ProgramArguments</key><array>{words}</array>
  {more}
</dict>
</plist>
"""


SETS = ["/usr/sbin/sysctl", "-w", "net.inet.ip.forwarding=1"]
RUNS = daemon(SETS)
NEVER = daemon(SETS, "<key>RunAtLoad</key><false/>")
DISABLED = daemon(SETS, "<key>RunAtLoad</key><true/><key>Disabled</key><true/>")
UNSETS = daemon([*SETS[:2], "net.inet.ip.forwarding=0"])
RUBBISH = "bplist00\ufffd\x01\x02net.inet.ip.forwarding=1\x00\ufffd"
A_LIST = "<plist><array><string>net.inet.ip.forwarding=1</string></array></plist>"
A_NUMBER = RUNS.replace("<array>", "<integer>5</integer><key>x</key><array>")


@pytest.mark.parametrize(
    ("plists", "at"),
    [
        ([], None),
        ([RUNS], 0),
        ([daemon(["/bin/sh", "-c", "sysctl -w net.inet.ip.forwarding=1"])], 0),
        ([daemon([*SETS[:2], "net.inet.ip.forwarding = 1"])], 0),
        ([NEVER], None),
        ([daemon(SETS, "")], None),
        ([DISABLED], None),
        ([UNSETS], None),
        ([daemon([*SETS[:2], "net.inet.ip.forwarding=10"])], None),
        ([RUBBISH], None),
        ([RUNS[:200]], None),
        ([A_LIST], None),
        ([A_NUMBER], None),
        ([RUBBISH, A_LIST, NEVER, RUNS], 3),
        ([RUNS, RUBBISH], 0),
    ],
)
def test_what_launchd_does_at_the_next_boot(plists: list[str], at: int | None) -> None:
    paths = [f"/Library/LaunchDaemons/local {n}.plist" for n in range(len(plists))]
    text = "ip_forward 1\nssh \n" + "".join(
        f"plist {path}\n{content}\n" for path, content in zip(paths, plists, strict=True)
    )
    facts, _ = read_network("macos", ASKED, {"forwarding": Answer(text, 0)})
    assert facts.forwarding_persistent is (at is not None)
    assert facts.persistence.startswith(paths[at] if at is not None else "")
    assert bool(facts.persistence) is (at is not None)


def test_a_mac_that_need_not_forward_is_not_asked() -> None:
    answers = {"forwarding": Answer(f"ip_forward 1\nplist /L/x.plist\n{RUNS}", 0)}
    facts, _ = read_network("macos", Questions("fleet", "mini2"), answers)
    assert facts.forwarding_persistent is None


# macOS

IFCONFIG = """\
bridge0: flags=8863<UP,BROADCAST,SMART,RUNNING,SIMPLEX,MULTICAST> mtu 1500
\toptions=63<RXCSUM,TXCSUM,TSO4,TSO6>
\tether 36:9a:5f:00:00:01
\tinet 10.10.0.2 netmask 0xffffff00 broadcast 10.10.0.255
\tmember: en1 flags=3<LEARNING,DISCOVER>
\tmedia: <unknown type>
\tstatus: active
"""
NETSTAT = """\
Routing tables

Internet:
Destination        Gateway            Flags               Netif Expire
default            192.168.1.1        UGScg                 en1
10.10/24           link#12            UCS               bridge0      !
192.168.50         10.10.0.1          UGSc              bridge0
192.168.51.4       1c:1d:d3:0:0:4     UHLWIir             bridge0   1187
"""
ARP = """\
? (10.10.0.1) at 36:9a:5f:0:0:9 on bridge0 ifscope [bridge]
? (10.10.0.3) at (incomplete) on bridge0 ifscope [bridge]
"""
ROUTE_GET = """\
   route to: 192.168.50.2
destination: 192.168.50.0
       mask: 255.255.255.0
    gateway: 10.10.0.1
  interface: bridge0
      flags: <UP,GATEWAY,DONE,STATIC,PRCLONING>
 recvpipe  sendpipe  ssthresh  rtt,msec    rttvar  hopcount      mtu     expire
       0         0         0         0         0         0      1500         0
"""
EDGE, GONE = IPv4Address("192.168.50.2"), IPv4Address("192.168.51.4")
MAC_ASKED = Questions("fleet", "mini2", ways=(EDGE, GONE))
WAYS = f"way 192.168.50.2\n{ROUTE_GET}way 192.168.51.4\nroute: writing to routing socket: not in table\n"  # noqa: E501  # as it prints it


def macos(**texts: str) -> tuple[NetworkFacts, dict[str, str]]:
    given: dict[str, Any] = {
        "interfaces": IFCONFIG,
        "routes": NETSTAT,
        "ways": WAYS,
        "neighbours": ARP,
        "forwarding": "ip_forward 0\nssh 192.168.1.5 51234 192.168.1.12 22\n",
    }
    answers = {name: Answer(text, 0) for name, text in {**given, **texts}.items()}
    return read_network("macos", MAC_ASKED, answers)


def test_a_mac() -> None:
    facts, unknown = macos()
    assert unknown == {}
    (bridge,) = facts.interfaces or ()
    assert (bridge.name, bridge.up, bridge.mtu) == ("bridge0", True, 1500)
    assert bridge.addresses == (IPv4Interface("10.10.0.2/24"),)
    assert bridge.members == ("en1",)
    assert (facts.routes or ())[:3] == (
        Route(IPv4Network("0.0.0.0/0"), IPv4Address("192.168.1.1"), "en1"),
        Route(IPv4Network("10.10.0.0/24"), None, "bridge0"),
        Route(IPv4Network("192.168.50.0/24"), IPv4Address("10.10.0.1"), "bridge0"),
    )
    assert [r.cloned for r in facts.routes or ()] == [False, False, False, True]
    assert {str(n.address): n.state for n in facts.neighbours or ()} == {
        "10.10.0.1": "known", "10.10.0.3": "incomplete",
    }  # fmt: skip
    assert facts.taken[EDGE] == RouteTaken(EDGE, IPv4Address("10.10.0.1"), "bridge0")
    assert facts.taken[GONE].error == "route: writing to routing socket: not in table"
    assert (facts.forwarding, facts.ssh_address) == (False, IPv4Address("192.168.1.12"))
    assert facts.strict_filters == ()


@pytest.mark.parametrize(
    ("probe", "command"), [("interfaces", "ifconfig"), ("routes", "netstat"), ("neighbours", "arp")]
)
def test_a_mac_without_one_tool_still_answers_the_other_questions(probe: str, command: str) -> None:
    said = f"sh: {command}: command not found"
    facts, unknown = macos(**{probe: said})
    assert unknown == {probe: said}
    known = {"interfaces": facts.interfaces, "routes": facts.routes, "neighbours": facts.neighbours}
    assert [name for name, value in known.items() if value is None] == [probe]


def test_an_unreadable_route_is_unknown_and_the_other_is_known() -> None:
    facts, unknown = macos(ways=f"way 192.168.50.2\n???\nway 192.168.51.4\n{ROUTE_GET}")
    assert unknown == {"way to 192.168.50.2": "???"}
    assert set(facts.taken) == {GONE}


def test_without_the_route_command_each_route_is_unknown() -> None:
    said = "sh: route: command not found"
    facts, unknown = macos(ways=f"way 192.168.50.2\n{said}\nway 192.168.51.4\n{said}\n")
    assert facts.taken == {}
    assert unknown == {"way to 192.168.50.2": said, "way to 192.168.51.4": said}
