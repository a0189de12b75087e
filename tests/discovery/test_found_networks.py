"""Networks, gateways and names that follow from what machines say of themselves."""

from __future__ import annotations

import time
from pathlib import Path

from msgspec.structs import replace

from fleetctl.config import load
from fleetctl.discovery.assemble import draft
from fleetctl.discovery.interfaces import places
from fleetctl.model.facts import NetworkFacts
from fleetctl.model.topology import SSH, Node
from fleetctl.probes.parsers.ifconfig import parse_ifconfig
from fleetctl.probes.parsers.unparsed import Unparsed
from tests.discovery.machines import answer, drafted, guide, machine, refused

SHIPPED = load(Path(__file__).parents[2] / "nodes.yaml")
IFCONFIG = Path(__file__).parents[1] / "fixtures" / "macos" / "ifconfig"


def test_the_guide_s_cluster_is_found_as_it_is_shipped() -> None:
    made, fleet = drafted(*guide())
    assert made.guesses == 0
    assert {(n.name, str(n.cidr), n.kind, n.control) for n in fleet.networks.values()} == {
        (n.name, str(n.cidr), n.kind, n.control) for n in SHIPPED.networks.values()
    }
    for name, node in fleet.nodes.items():
        shipped = SHIPPED.nodes[name]
        assert (node.os, node.addresses, node.gateway, node.via) == (
            shipped.os,
            shipped.addresses,
            shipped.gateway,
            shipped.via,
        ), name


def test_where_a_value_comes_from_is_said() -> None:
    made, _ = drafted(*guide())
    pi5 = next(node for node in made.nodes if node.name == "pi5")
    assert pi5.addresses["wifi"].why == "wlan0, SSH goes over it"
    assert pi5.via["fabric"].why == "its route to 10.10.0.0/24 via 192.168.50.1"


def test_real_machines_virtual_interfaces_are_no_networks() -> None:
    """vmnet, utun, bridge100 of recorded Macs."""
    for name in ("mojave-b-vmnet", "tunnel-and-bridge100"):
        found = parse_ifconfig((IFCONFIG / f"{name}.txt").read_text())
        assert not isinstance(found, Unparsed)
        facts = replace(
            machine("mac", {}, macos=True), network=NetworkFacts(interfaces=tuple(found))
        )
        assert {place.interface.name for place in places("mac", facts)} <= {"en0"}


def test_a_subnet_of_one_node_is_noted_and_no_network() -> None:
    office = machine("a", {"eth0": "10.0.0.1/24", "eth1": "172.20.1.1/24"}, ssh="10.0.0.1")
    made, fleet = drafted(
        answer("a", office), answer("b", machine("b", {"eth0": "10.0.0.2/24"}, ssh="10.0.0.2"))
    )
    assert list(fleet.networks) == ["lan"]
    assert made.nodes[0].notes == (
        "also has 172.20.1.1 on eth1; no other node here is on 172.20.1.0/24",
    )


def test_a_wrong_mask_is_told_and_joins_the_network() -> None:
    hosts = [
        answer(n, machine(n, {"eth0": f"10.0.0.{i}/{16 if n == 'c' else 24}"}, ssh=f"10.0.0.{i}"))
        for i, n in enumerate("abc", 1)
    ]
    made, fleet = drafted(*hosts)
    assert [str(n.cidr) for n in fleet.networks.values()] == ["10.0.0.0/24"]
    assert "its mask is /16" in made.nodes[2].addresses["lan"].why


def test_an_address_of_two_nodes_is_left_out_at_the_second() -> None:
    hosts = [
        machine(n, {"eth0": f"10.0.0.{i}/24", "eth1": "10.9.0.1/24"}, ssh=f"10.0.0.{i}")
        for i, n in enumerate("ab", 1)
    ]
    made, fleet = drafted(*map(answer, "ab", hosts))
    assert "a has the same address" in made.nodes[1].notes[0]
    assert len(fleet.nodes["b"].addresses) == 1


def test_ssh_through_a_jump_host_makes_no_cable_the_control_network() -> None:
    """Also where most nodes are behind it: this machine is on the other network."""
    gate = machine(
        "gate", {"en1": "192.168.1.11/24", "en0": "192.168.50.1/24"}, macos=True, ssh="192.168.1.11"
    )
    behind = [
        answer(
            n,
            machine(n, {"eth0": f"192.168.50.{i}/24"}, ssh=f"192.168.50.{i}"),
        )
        for i, n in enumerate(("pi4", "pi5"), 2)
    ]
    here = machine("laptop", {"en0": "192.168.1.40/24"}, macos=True)
    _, fleet = drafted(answer("gate", gate), *behind, here=here)
    assert [n.name for n in fleet.networks.values() if n.control] == ["wifi"]


def test_names_come_from_the_user_then_from_the_machine() -> None:
    facts = {
        ip: machine("raspberrypi.local", {"eth0": f"{ip}/24"}, ssh=ip, serial=ip)
        for ip in ("10.0.0.1", "10.0.0.2")
    }
    made, _ = drafted(
        *(answer(f"pi@{ip}", said) for ip, said in facts.items()),
        answer("Nas.home.arpa:2222", machine("x", {"eth0": "10.0.0.3/24"}, ssh="10.0.0.3")),
        refused("10.0.0.4", "no key was accepted"),
    )
    assert [n.name for n in made.nodes] == ["raspberrypi", "raspberrypi-2", "Nas", "node-10-0-0-4"]
    assert made.nodes[1].notes == ("it calls itself raspberrypi, too, as another node does",)


def test_a_machine_with_two_names_is_one_node() -> None:
    facts = machine("mini1", {"en1": "10.0.0.1/24"}, macos=True, ssh="10.0.0.1")
    made, _ = drafted(answer("mini1", facts), answer("10.0.0.1", facts))
    assert [n.name for n in made.nodes] == ["mini1"]
    assert [(h.host, h.why) for h in made.left_out] == [
        ("10.0.0.1", "it is the same machine as mini1")
    ]


def test_hosts_that_could_not_be_asked_are_in_the_file_with_the_reason() -> None:
    made, fleet = drafted(
        answer("a", machine("a", {"eth0": "10.0.0.1/24"}, ssh="10.0.0.1")),
        refused("me@b:2200", "no key was accepted"),
        refused("c", "nothing answered within 10 s\n\x1b[31m", silent=True),
    )
    assert fleet.nodes["b"] == Node("b", SSH("b", port=2200, user="me"))
    assert made.nodes[1].notes == ("not asked yet: no key was accepted",)
    assert [h.host for h in made.left_out] == ["c"]


def test_what_a_machine_did_not_say_is_noted() -> None:
    said = replace(
        machine("a", {}), network=NetworkFacts(), unknown={"interfaces": "ip: not found"}
    )
    made, _ = drafted(answer("a", said))
    assert made.nodes[0].notes == ("its interfaces are not known: ip: not found",)


def test_an_unsupported_system_is_a_node_without_a_system() -> None:
    said = replace(machine("a", {}), system=None, unsupported="FreeBSD")
    made, fleet = drafted(answer("a", said))
    assert fleet.nodes["a"].os is None
    assert made.nodes[0].notes == ("its system, FreeBSD, is not supported",)


def test_no_host_at_all_is_an_empty_draft() -> None:
    assert draft([refused("a", "down", silent=True)], None).nodes == ()


def test_a_machine_that_says_too_much_is_heard_to_a_bound() -> None:
    """Ten thousand interfaces, each with a subnet, and as many routes."""
    many = {f"eth{n}": f"10.{n // 250}.{n % 250}.1/24" for n in range(10_000)}
    routes = [(f"172.{16 + n // 250}.{n % 250}.0/24", "10.0.0.2", "eth0") for n in range(2_000)]
    hosts = [
        answer("a", machine("a", {"eth0": "10.0.0.2/24"}, ssh="10.0.0.2")),
        answer("b", machine("b", many, ssh="10.0.0.1", routes=routes)),
    ]
    began = time.monotonic()
    made, _ = drafted(*hosts)
    assert time.monotonic() - began < 5
    assert len(made.nodes[1].notes) < 40
