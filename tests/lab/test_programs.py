"""The pure parts of the programs that nodes run: forms that need no kernel."""

from __future__ import annotations

import os

import pytest

from fleetctl.lab.naming import InterfaceNames
from fleetctl.lab.programs.macos import services, sockets
from fleetctl.lab.programs.macos.disk import _format
from fleetctl.lab.programs.macos.kernel import short_mac
from fleetctl.lab.programs.macos.netstat import short_network
from fleetctl.lab.programs.macos.processes import _columns
from fleetctl.lab.programs.node import Port, mask_of, prefix_of
from fleetctl.lab.programs.raspberry import profiles


@pytest.mark.parametrize(
    ("network", "prefix", "shown"),
    [  # as netname() of Apple's netstat/route.c
        ("10.10.0.0", 24, "10.10/24"),
        ("10.0.0.0", 24, "10/24"),
        ("10.0.0.0", 8, "10"),
        ("192.168.50.0", 24, "192.168.50"),
        ("192.168.50.0", 25, "192.168.50/25"),
        ("169.254.0.0", 16, "169.254"),
        ("172.16.0.0", 12, "172.16/12"),
        ("0.0.0.0", 1, "0/1"),
        ("128.0.0.0", 1, "128.0/1"),
        ("127.0.0.0", 8, "127"),
    ],
)
def test_networks_as_a_mac_prints_them(network: str, prefix: int, shown: str) -> None:
    assert short_network(network, prefix) == shown


def test_hardware_addresses_have_no_leading_zeros() -> None:
    assert short_mac("02:0b:cf:67:12:03") == "2:b:cf:67:12:3"
    assert short_mac("36:07:4d:00:b2:c0", ".") == "36.7.4d.0.b2.c0"


@pytest.mark.parametrize(
    ("mask", "prefix"),
    [("255.255.255.0", 24), ("0xffffff00", 24), ("0.0.0.0", 0), ("255.0.255.0", None), ("x", None)],
)
def test_masks(mask: str, prefix: int | None) -> None:
    assert prefix_of(mask) == prefix
    if prefix is not None and "." in mask:
        assert mask_of(prefix) == mask


def test_interface_names_of_a_mac_mini() -> None:
    names = InterfaceNames("macos")
    kinds = ["ethernet", "wifi", "thunderbolt", "ethernet", "thunderbolt", "wifi", "ethernet"]
    assert [names.take(kind) for kind in kinds] == [
        *("en0", "en1", "bridge0", "en5", "bridge1", "en6", "en7")
    ]


def test_columns_of_ps() -> None:
    assert _columns("pid=,ppid=,stat=") == [("pid", ""), ("ppid", ""), ("stat", "")]
    assert _columns("pid,command") == [("pid", "PID"), ("command", "COMMAND")]
    assert _columns("pid=,command=") == [("pid", ""), ("command", "")]
    assert _columns("stat=WORD,pid") == [("stat", "WORD,pid")]  # the rest is the title


def test_sockets_of_proc() -> None:
    line = "0: 01000A0A:FF98 00000000:0000 0A 00000000:00000005 00:0 0 0 0 77 1"
    one = sockets.Socket(line.split())
    assert (one.local, one.remote) == (("10.10.0.1", 65432), ("0.0.0.0", 0))
    assert (one.state, one.family, one.received, one.inode) == ("LISTEN", "4", 5, "77")
    six = "0: 00000000000000000000000001000000:0016 00000000000000000000000000000000:0000 0A"
    assert sockets.Socket([*six.split(), "0:0", "0", "0", "0", "0", "1"]).local == ("::1", 22)


def test_formats_of_stat() -> None:
    found = os.stat_result((0o100644, 7, 1, 1, 0, 0, 12, 1, 1700000000, 1))
    assert _format("%z %m %Sp %Lp %N%%", "%Y", "name", found) == (
        "12 1700000000 -rw-r--r-- 644 name%"
    )


PORT = Port(["eth0", "ethernet", "02:00:00:00:00:01", "10.0.0.9/24", "10.0.0.1", "200"])
KEYFILE = """\
[connection]
id=eth-static
uuid=u-1
type=ethernet
interface-name=eth0

[ipv4]
method=manual
address1=192.168.50.2/24
route1=10.10.0.0/24,192.168.50.1
route2=10.11.0.0/24,192.168.50.1,50
never-default=true
"""


class TestProfiles:
    def test_text_is_what_was_read(self) -> None:
        assert profiles.parse("f", KEYFILE).text == KEYFILE

    def test_addresses_and_routes_of_a_manual_profile(self) -> None:
        assert profiles.activation(profiles.parse("f", KEYFILE), PORT) == [
            "address flush dev eth0",
            "link set eth0 up",
            "address add 192.168.50.2/24 broadcast 192.168.50.255 dev eth0",
            "route replace 10.10.0.0/24 via 192.168.50.1 dev eth0",
            "route replace 10.11.0.0/24 via 192.168.50.1 dev eth0 metric 50",
        ]

    def test_dhcp_brings_the_router_unless_it_may_not(self) -> None:
        text = KEYFILE.replace("method=manual", "method=auto").replace("address1=", "x=")
        lines = profiles.activation(profiles.parse("", text), PORT)
        assert not any("default" in line for line in lines)
        text = text.replace("never-default=true", "")
        assert profiles.activation(profiles.parse("", text), PORT)[2:4] == [
            "address add 10.0.0.9/24 broadcast 10.0.0.255 dev eth0",
            "route replace default via 10.0.0.1 dev eth0 metric 200",
        ]

    def test_of_two_profiles_the_one_that_was_up_last_is_chosen(self) -> None:
        one = profiles.parse("one", KEYFILE)
        two = profiles.parse("two", KEYFILE.replace("u-1", "u-2"))
        assert profiles.chosen([one, two], "eth0", {"u-2": 5.0}) is two
        assert profiles.chosen([one, two], "eth0", {"u-1": 9.0, "u-2": 5.0}) is one
        assert profiles.chosen([one, two], "eth1", {}) is None
        one.put("connection", "autoconnect", "false")
        assert profiles.chosen([one], "eth0", {}) is None


def test_a_macs_services_say_what_they_do() -> None:
    fields = ["Thunderbolt Bridge", "Thunderbolt Bridge", "bridge0", "on", "manual"]
    line = "\t".join([*fields, "10.10.0.1", "255.255.255.0", "", ""])
    routes = "192.168.51.0/255.255.255.0/10.10.0.3"
    service = services.parse(f"{line}{routes}\n")[0]
    assert services.text_of([service]) == f"{line}{routes}\n"
    port = Port(["bridge0", "thunderbolt", "02:00:00:00:00:02", "10.10.0.1/24", "", "600"])
    assert services.activation(service, port) == [
        "address flush dev bridge0",
        "link set bridge0 up",
        "address add 10.10.0.1/24 broadcast 10.10.0.255 dev bridge0",
        "route replace 192.168.51.0/24 via 10.10.0.3 dev bridge0",
    ]
    service.enabled = False
    assert services.activation(service, port) == ["address flush dev bridge0"]
