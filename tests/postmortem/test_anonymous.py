"""The same is replaced by the same, and what is related stays related."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.config import load_text
from fleetctl.postmortem.addresses import Addresses
from fleetctl.postmortem.anonymous import Anonymous
from tests.lab.fleets import GUIDE

NETS = [IPv4Network(n) for n in ("10.10.0.0/24", "172.20.0.0/16", "192.168.4.0/22", "10.9.9.4/30")]


@given(st.lists(st.integers(0, 2**32 - 1) | st.sampled_from([int(n[2]) for n in NETS]), max_size=6))
def test_networks_stay_networks(numbers: list[int]) -> None:
    new = Addresses(NETS)
    pairs = {a: new.address(a) for a in map(IPv4Address, numbers)}
    assert len(set(pairs.values())) == len(pairs)
    for one, other in combinations(pairs, 2):
        for length in (24, 28, 30):
            mask = (2**length - 1) << (32 - length)
            same = int(one) & mask == int(other) & mask
            both = {next((n for n in NETS if a in n), None) for a in (one, other)}
            if len(both) == 1:
                assert same == (int(pairs[one]) & mask == int(pairs[other]) & mask)
    for old, now in pairs.items():
        assert old.is_private == now.is_private or not old.is_private
        assert int(old) & 3 == int(now) & 3


def test_a_network_of_nodes_yaml_is_still_one() -> None:
    text = Addresses(NETS).text("cidr: 192.168.4.0/22 a: 192.168.6.9 b: 192.168.7.255")
    net, one, last = (text.split()[i] for i in (1, 3, 5))
    assert IPv4Address(one) in IPv4Network(net)
    assert IPv4Address(last) == IPv4Network(net).broadcast_address


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1 255.255.255.0 0.0.0.0 224.0.0.251 8.8.8.8",
        "12.52 0.48 7.5 3/12\n15.6.1 x\nversion 15.6.1 kernel 6.6.20 1.2.3.4.5",
        "12:30:45 ::1 ff:ff:ff:ff:ff:ff 01:00:5e:00:00:fb",
        "default            link#11            UCSI                  en0",
    ],
)
def test_what_tells_of_nobody_stays(text: str) -> None:
    fleet = load_text(GUIDE, "nodes.yaml")
    assert Anonymous(fleet).text(text) == text


@pytest.mark.parametrize(
    "text", ["n{}:53318->{}:22", "tcp4  0  0  {}.65432   *.*   LISTEN", "p\nn{}:22", "({})"]
)
def test_addresses_with_their_ports(text: str) -> None:
    """As lsof -F and netstat -an of macOS have them."""
    new = Addresses(NETS)
    now = new.address(IPv4Address("10.10.0.1"))
    assert new.text(text.replace("{}", "10.10.0.1")) == text.replace("{}", str(now))


def test_short_forms_of_netstat_are_of_the_same_network() -> None:
    new = Addresses([IPv4Network("10.10.0.0/24"), IPv4Network("192.168.50.0/24")])
    rows = (
        "10.10/24           link#15    UC    en0\n"
        "192.168.50         10.10.0.1  UGSc  en0\n"
        "169.254            link#1     UCS   en0\n"
    )
    first, second, third = new.text(rows).splitlines()
    net = IPv4Network(str(new.address(IPv4Address("10.10.0.0"))) + "/24")
    shown = first.split()[0].partition("/")[0]
    assert IPv4Address(shown + ".0" * (3 - shown.count("."))) == net.network_address
    assert second.split() == [
        str(new.address(IPv4Address("192.168.50.1"))).rpartition(".")[0],
        str(new.address(IPv4Address("10.10.0.1"))),
        "UGSc",
        "en0",
    ]
    assert third.split()[0] == "169.254"


@pytest.mark.parametrize(
    "text",
    [
        "172.17             link#3  UCS  en0\n",
        "inet 172.17.4.4 netmask 0xffff0000 broadcast 172.17.255.255\n",
        '{"family":"inet","local":"172.17.4.4","prefixlen":16,"broadcast":"172.17.255.255"}',
        "172.17.0.0/16 dev docker0\n",
    ],
)
def test_networks_of_interfaces_and_routes_stay_whole(text: str) -> None:
    new = Addresses(NETS)
    new.learn(text)
    one, other = (new.address(IPv4Address(a)) for a in ("172.17.4.4", "172.17.255.255"))
    assert int(one) >> 16 == int(other) >> 16 != (172 << 8) + 17
    assert int(other) & 0xFFFF == 0xFFFF


def test_names_accounts_and_numbers_of_machines() -> None:
    fleet = load_text(GUIDE, "nodes.yaml")
    who = Anonymous(fleet, hostnames=["Annas-Mac.local"], users=["anna"], kept=["fleet"])
    text = (
        "ssh yuvrajsingh1@mini1 /Users/anna/x /home/bert/y Annas-Mac.local mini1-bridge mini12 "
        "aa:b:c:1:2:3 aa:0b:0c:01:02:03 fe80::1c2d:3eff:fe4f%en0 "
        '"serial_number": "C02ABC123DEF", 6F9619FF-8B86-D011-B42D-00C04FC964FF'
    )
    new = who.text(text)
    for word in ("yuvraj", "anna", "bert", "Annas", "C02ABC", "6F9619FF", "1c2d"):
        assert word not in new, new
    words = new.split()
    assert words[1].endswith(f"@{who.name('mini1')}")
    assert words[5] == f"{who.name('mini1')}-bridge"
    assert words[6] == "mini12"
    assert words[7] == words[8]
    assert who.text(text) == new


def test_a_whole_nodes_yaml_can_still_be_read() -> None:
    fleet = load_text(GUIDE, "nodes.yaml")
    who = Anonymous(fleet)
    new = load_text(who.text(GUIDE), "nodes.yaml")
    assert list(new.nodes) == [who.name(node) for node in fleet.nodes]
    for old, now in zip(fleet.nodes.values(), new.nodes.values(), strict=True):
        for network, address in now.addresses.items():
            cidr = new.networks[network].cidr
            assert address in cidr
            before = fleet.networks[network].cidr
            assert int(address) - int(cidr[0]) == int(old.addresses[network]) - int(before[0])
        assert dict(now.via) == {network: who.name(node) for network, node in old.via.items()}
