"""`dhcp` in place of an address."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

from fleetctl.config import load_text, load_with_notes
from fleetctl.config.expansion import expand
from fleetctl.model.expectations import derive
from tests.config.texts import RIGHT, edited

TEXT, _ = edited(
    ("wifi: 192.168.1.11, fabric", "§wifi: dhcp, fabric"),
    ("addresses: {fabric: 10.10.0.2}", "addresses: {fabric: 10.10.0.2, wifi: dhcp}"),
)


def test_the_node_is_on_the_network_with_an_address_that_is_not_known() -> None:
    node = load_text(TEXT, "nodes.yaml").nodes["mini1"]
    assert node.addresses == {
        "fabric": IPv4Address("10.10.0.1"),
        "edge": IPv4Address("192.168.50.1"),
    }
    assert node.leased == frozenset({"wifi"})
    assert node.networks == ("fabric", "edge", "wifi")


def test_config_show_prints_it() -> None:
    shown = expand(load_text(TEXT, "nodes.yaml"))["nodes"]
    assert shown["mini1"]["addresses"]["wifi"] == "dhcp"
    assert "dhcp (mini1 on wifi)" in shown["mini2"]["must_reach"]
    assert not any("wifi" in row for row in shown["mini2"]["must_not_reach"])


def test_nothing_is_derived_of_an_address_that_is_not_known() -> None:
    expectations = derive(load_text(TEXT, "nodes.yaml"))
    assert not [r for r in expectations.reach if r.network == "wifi" and r.peer == "mini2"]
    assert [(r.node, r.peer) for r in expectations.reach if r.network == "wifi"] == [
        ("mini1", "ipad"),
        ("mini2", "ipad"),
    ]


def test_a_service_there_is_found_by_the_name_of_its_node() -> None:
    text, _ = edited(
        ("  ipad:\n", "  mac: §{ssh: {host: mac.local}, addresses: {wifi: dhcp}}\n  ipad:\n"),
        ("on: mini1", "on: mac"),
        ("listen: fabric:65432", "listen: 0.0.0.0:65432"),
    )
    job = load_text(text, "nodes.yaml").jobs["train"]
    assert job.services["worker"].instances[0].command == "work 1 mac.local"


def test_one_that_can_never_be_asked_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "nodes.yaml"
    text = RIGHT.replace("{wifi: 192.168.1.40}", "{wifi: dhcp}")
    path.write_text(text.replace("{address.wifi}", "ipad.local"))
    _, notes = load_with_notes(path)
    (warning,) = notes
    assert warning.partition(": warning: ")[2] == (
        "'ipad' cannot be logged into, so the address that DHCP gives it on 'wifi' is never known, "
        "and nothing asks whether it is reached"
    )
