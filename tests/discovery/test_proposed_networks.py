"""What is proposed for machines out of their boxes: a subnet for each cable and bridge."""

from __future__ import annotations

from ipaddress import IPv4Network

from msgspec.structs import replace

from fleetctl.discovery.answer import Answer
from fleetctl.model.facts import NodeFacts
from fleetctl.model.network import Heard
from tests.discovery.machines import (
    answer,
    bridged,
    drafted,
    fresh,
    guide,
    mac_of,
    machine,
)


def cidrs(answers: list[Answer], here: NodeFacts) -> dict[str, str]:
    _, fleet = drafted(*answers, here=here)
    return {name: str(network.cidr) for name, network in fleet.networks.items()}


def test_the_guide_s_network_is_proposed_for_its_machines() -> None:
    made, fleet = drafted(*fresh())
    assert {name: str(n.cidr) for name, n in fleet.networks.items()} == {
        "wifi": "192.168.1.0/24",
        "fabric": "10.10.0.0/24",
        "edge50": "192.168.50.0/24",
        "edge51": "192.168.51.0/24",
    }
    addresses = {
        name: {n: str(a) for n, a in node.addresses.items() if n != "wifi"}
        for name, node in fleet.nodes.items()
    }
    assert addresses == {
        "mini1": {"fabric": "10.10.0.1", "edge50": "192.168.50.1"},
        "mini2": {"fabric": "10.10.0.2"},
        "mini3": {"fabric": "10.10.0.3", "edge51": "192.168.51.1"},
        "pi5": {"edge50": "192.168.50.2"},
        "pi4": {"edge51": "192.168.51.2"},
    }
    assert {n: node.interfaces for n, node in fleet.nodes.items()} == {
        "mini1": {"fabric": "bridge0", "edge50": "en0"},
        "mini2": {"fabric": "bridge0"},
        "mini3": {"fabric": "bridge0", "edge51": "en0"},
        "pi5": {"edge50": "eth0"},
        "pi4": {"edge51": "eth0"},
    }
    assert [n for n, node in fleet.nodes.items() if node.gateway] == ["mini1", "mini3"]
    assert fleet.nodes["pi4"].via == {"fabric": "mini3"}
    assert made.guesses == 3 + 7 + 2 + 2  # networks, addresses, gateways, via


def test_numbers_collide_with_nothing_that_is_known() -> None:
    """Neither with this machine's VPN, nor with a route of a node."""
    vpn = machine("laptop", {"en0": "192.168.1.40/24", "utun3": "10.10.0.9/22"}, macos=True)
    pi4 = machine(
        "pi4",
        {"eth0": "", "wlan0": "192.168.1.24/24"},
        ssh="192.168.1.24",
        routes=[("192.168.50.0/24", "192.168.1.1", "wlan0"), ("0.0.0.0/1", "10.8.0.1", "tun0")],
        neighbours=[("eth0", mac_of("mini3", "en0"))],
    )
    found = cidrs(fresh(pi4=pi4), vpn)
    assert found["fabric"] == "10.10.4.0/24"
    assert {found["edge51"], found["edge52"]} == {"192.168.51.0/24", "192.168.52.0/24"}


def test_a_vpn_over_all_of_ten_is_avoided() -> None:
    vpn = machine(
        "laptop", {"en0": "192.168.1.40/24"}, routes=[("10.0.0.0/8", "10.9.9.9", "utun3")]
    )
    assert IPv4Network(cidrs(fresh(), vpn)["fabric"]).subnet_of(IPv4Network("172.16.0.0/12"))


def test_what_is_missing_is_added_to_the_network_that_is_there() -> None:
    without = machine(
        "mini2",
        {"en1": "192.168.1.12/24", "bridge0": ""},
        macos=True,
        ssh="192.168.1.12",
        ports=bridged("mini2", "mini1", "mini3"),
    )
    answers = [answer("mini2", without) if a.host.ssh.host == "mini2" else a for a in guide()]
    made, fleet = drafted(*answers)
    mini2 = next(node for node in made.nodes if node.name == "mini2")
    assert (str(mini2.addresses["fabric"].value), mini2.addresses["fabric"].guessed) == (
        "10.10.0.2",
        True,
    )
    assert len(fleet.networks) == 4


def test_the_subnet_of_one_end_is_taken() -> None:
    mini1 = machine(
        "mini1",
        {"en0": "192.168.77.1/24", "en1": "192.168.1.11/24", "bridge0": ""},
        macos=True,
        ssh="192.168.1.11",
        ports=bridged("mini1", None, "mini2"),
    )
    made, fleet = drafted(*fresh(mini1=mini1))
    assert str(fleet.networks["edge77"].cidr) == "192.168.77.0/24"
    assert str(fleet.nodes["pi5"].addresses["edge77"]) == "192.168.77.2"
    assert (fleet.nodes["mini1"].interfaces, fleet.nodes["pi5"].interfaces) == (
        {"fabric": "bridge0"},  # the address on en0 is there
        {"edge77": "eth0"},
    )
    assert not any("no other node here" in note for node in made.nodes for note in node.notes)


def test_without_a_bridge_each_thunderbolt_cable_is_a_subnet() -> None:
    minis = [
        answer(
            name,
            machine(
                name,
                {"en1": f"192.168.1.{number}/24"},
                macos=True,
                ssh=f"192.168.1.{number}",
                ports=bridged(name, left, right),
            ),
        )
        for number, name, left, right in (
            (11, "a", None, "b"),
            (12, "b", "a", "c"),
            (13, "c", "b", None),
        )
    ]
    _, fleet = drafted(*minis)
    members = {
        str(network.cidr): [n for n, node in fleet.nodes.items() if name in node.addresses]
        for name, network in fleet.networks.items()
        if not network.control
    }
    assert members == {"10.10.0.0/24": ["a", "b"], "10.10.1.0/24": ["b", "c"]}


def test_a_cable_beside_one_that_has_addresses_gets_a_subnet_of_its_own() -> None:
    services = {"en1": "Wi-Fi", "en2": "Thunderbolt 1"}
    minis = [
        answer(
            name,
            machine(
                name,
                {
                    "en1": f"192.168.1.{number}/24",
                    **({"en2": f"10.10.0.{number}/24"} if done else {}),
                },
                macos=True,
                ssh=f"192.168.1.{number}",
                ports=bridged(name, left, right),
                services=services,
            ),
        )
        for number, name, left, right, done in (
            (11, "a", None, "b", True),
            (12, "b", "a", "c", True),
            (13, "c", "b", None, False),
        )
    ]
    _, fleet = drafted(*minis)
    assert [str(n.cidr) for n in fleet.networks.values() if not n.control] == [
        "10.10.0.0/24",
        "10.10.1.0/24",
    ]
    assert fleet.nodes["c"].addresses.keys() == {"wifi", "fabric-2"}


def test_an_address_that_a_stranger_has_is_not_given_away() -> None:
    without = machine(
        "mini2",
        {"en1": "192.168.1.12/24", "bridge0": ""},
        macos=True,
        ssh="192.168.1.12",
        ports=bridged("mini2", "mini1", "mini3"),
        others=["10.10.0.2"],
    )
    answers = [answer("mini2", without) if a.host.ssh.host == "mini2" else a for a in guide()]
    _, fleet = drafted(*answers)
    assert str(fleet.nodes["mini2"].addresses["fabric"]) == "10.10.0.4"


def test_macs_without_thunderbolt_cables_get_no_fabric() -> None:
    mini2 = machine("mini2", {"en1": "192.168.1.12/24"}, macos=True, ssh="192.168.1.12", ports=[])
    mini3 = machine("mini3", {"en1": "192.168.1.13/24"}, macos=True, ssh="192.168.1.13", ports=None)
    mini3 = replace(mini3, unknown={"thunderbolt": "system_profiler: not found"})
    made, fleet = drafted(*fresh(mini2=mini2, mini3=mini3))
    assert "fabric" not in fleet.networks
    notes = {node.name: node.notes for node in made.nodes}
    assert notes["mini1"] == (
        "1 of its Thunderbolt ports lead to Macs that are not among these hosts",
    )
    assert notes["mini3"] == (
        "what its Thunderbolt ports lead to is not known: system_profiler: not found",
    )


def test_a_cable_that_nothing_shows_is_not_guessed() -> None:
    pi5 = machine("pi5", {"eth0": "", "wlan0": "192.168.1.25/24"}, ssh="192.168.1.25")
    made, fleet = drafted(*fresh(pi5=pi5))
    assert list(fleet.networks) == ["wifi", "fabric", "edge50"]  # that of mini3 and pi4
    assert made.notes[0].startswith("mini1 (en0), pi5 (eth0): Ethernet ports with a link and no")


def test_a_node_with_two_cables_has_two_networks() -> None:
    """By what answered when the ports were asked."""
    hub = machine("hub", {"eth0": "", "eth1": "", "wlan0": "10.0.0.1/24"}, ssh="10.0.0.1")
    leaves = [
        answer(n, machine(n, {"eth0": "", "wlan0": f"10.0.0.{i}/24"}, ssh=f"10.0.0.{i}"))
        for i, n in enumerate("ab", 2)
    ]
    heard = (Heard("eth0", mac_of("a", "eth0")), Heard("eth1", mac_of("b", "eth0")))
    _, fleet = drafted(replace(answer("hub", hub), heard=heard), *leaves)
    assert [str(n.cidr) for n in fleet.networks.values()] == [
        "10.0.0.0/24",
        "192.168.50.0/24",
        "192.168.51.0/24",
    ]
    assert len(fleet.nodes["hub"].addresses) == 3
