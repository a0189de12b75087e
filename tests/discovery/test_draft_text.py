"""The text of a first nodes.yaml: valid, whatever the machines say."""

from __future__ import annotations

import re
from datetime import date
from ipaddress import IPv4Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from fleetctl.config import load_text
from fleetctl.discovery.assemble import draft
from fleetctl.discovery.text import file_text, scalar
from fleetctl.model.setup import NetworkService, NetworkSetup
from fleetctl.model.topology import SSH
from tests.discovery.machines import answer, fresh, guide, machine, refused

TODAY = date(2026, 11, 29)


def test_guesses_are_marked_and_all_else_has_its_source() -> None:
    text = file_text(draft(fresh(), None), TODAY)
    assert "fabric: 10.10.0.1                    # guessed: no address on bridge0 yet" in text
    assert "wifi: 192.168.1.11                   # en1, SSH goes over it" in text
    assert "ansi" not in text
    assert text.count("guessed:") == 14


def test_a_jump_host_and_a_key_are_kept() -> None:
    ssh = SSH("10.0.0.5", 2222, "pi", identity_file="~/a b", proxy_jump="me@gate:22")
    found = answer("x", machine("x", {"eth0": "10.0.0.5/24"}, ssh="10.0.0.5"))
    text = file_text(draft([replace(found, host=replace(found.host, ssh=ssh))], None), TODAY)
    assert load_text(text, "x").nodes["x"].ssh == ssh


@pytest.mark.parametrize(
    ("host", "macos", "line"),
    [
        ("pi.local", False, "wifi: dhcp   # 192.168.1.7 now: wlan0, by DHCP, SSH goes over it"),
        ("pi.local", True, "wifi: dhcp   # 192.168.1.7 now: wlan0, by DHCP, SSH goes over it"),
        # the file depends on the number anyway
        ("192.168.1.7", False, "wifi: 192.168.1.7   # wlan0, by DHCP, SSH goes over it"),
    ],
)
def test_a_lease_is_left_to_dhcp_where_ssh_follows_a_name(
    host: str, macos: bool, line: str
) -> None:
    said = machine("pi", {"wlan0": "192.168.1.7/24"}, ssh="192.168.1.7", macos=macos)
    [card] = said.network.interfaces or ()
    if macos:
        service = NetworkService("Wi-Fi", True, "wlan0", "dhcp", port="Wi-Fi")
        said = replace(said, setup=NetworkSetup(services=(service,)))
    else:
        leased = replace(card, leased=(IPv4Address("192.168.1.7"),))
        said = replace(said, network=replace(said.network, interfaces=(leased,)))
    text = file_text(draft([answer(host, said)], None), TODAY)
    assert line in re.sub(r" {2,}#", "   #", text)
    assert load_text(text, "x").nodes["pi"].networks == ("wifi",)


def test_a_gateway_keeps_the_address_that_routes_lead_to() -> None:
    made = guide()
    by_name = [replace(a, host=replace(a.host, ssh=SSH(f"{a.host.name}.local"))) for a in made]
    leased = [
        replace(a, facts=replace(a.facts, network=replace(a.facts.network, interfaces=tuple(
            replace(i, leased=tuple(own.ip for own in i.addresses))
            for i in a.facts.network.interfaces or ()
        ))))
        for a in by_name if a.facts
    ]  # fmt: skip
    nodes = load_text(file_text(draft(leased, None), TODAY), "x").nodes
    gateways = {via for node in nodes.values() for via in node.via.values()}
    assert gateways
    assert {name for name, node in nodes.items() if node.leased} == nodes.keys() - gateways


@pytest.mark.parametrize("name", ["on", "No", "null", "1e3", "0x1", "y"])
def test_names_that_yaml_would_take_for_something_else(name: str) -> None:
    text = file_text(draft([refused(name, "no key was accepted")], None), TODAY)
    assert [node.ssh.host for node in load_text(text, "x").nodes.values()] == [name]


@settings(max_examples=15, deadline=None)
@given(st.text(max_size=40), st.text(max_size=40))
def test_no_answer_breaks_the_file(hostname: str, why: str) -> None:
    said = machine(hostname, {"eth0": "10.0.0.1/24"}, ssh="10.0.0.1")
    found = [answer("10.0.0.1", said), refused("b", why), refused("c", why, silent=True)]
    fleet = load_text(file_text(draft(found, None), TODAY), "x")
    assert len(fleet.nodes) == 2


def test_characters_that_yaml_does_not_take_are_left_out_of_comments() -> None:
    text = file_text(draft([refused("b", "\ufffe\udcff\x85\u2028 x")], None), TODAY)
    assert list(load_text(text, "x").nodes) == ["b"]
    text.encode()


def test_scalars() -> None:
    assert [scalar(text) for text in ("pi4", "a b", "it's", "7", "~/x")] == [
        "pi4",
        "'a b'",
        "'it''s'",
        "7",
        "~/x",
    ]
