"""Adding to a nodes.yaml what it lacks: everything else stays as it was."""

from __future__ import annotations

from difflib import ndiff

import pytest
from msgspec.structs import replace

from fleetctl.config import load_text
from fleetctl.discovery.answer import Answer
from fleetctl.discovery.assemble import draft
from fleetctl.discovery.merge import merged
from fleetctl.errors import UsageError
from fleetctl.model.topology import Fleet
from tests.discovery.machines import answer, fresh, guide, machine

FILE = """\
# mine
fleet: mine
networks:   # as they are
  air: {cidr: 192.168.1.0/24, kind: wifi, control: true}   # home
internet: null
nodes:
  mini1:   # the first
    addresses: {air: 192.168.1.11}
  mini2: {addresses: {air: 192.168.1.12}, workdir: ~/x}
  # the third
  mini3:
    addresses:
      air: 192.168.1.13   # by DHCP
    # the end of mini3
  pi5:
# what runs
jobs:
  j:
    services: {s: {on: mini1, command: "true"}}
"""


def kept(answers: list[Answer], fleet: Fleet) -> list[Answer]:
    """The answers, with the names of the nodes that are in the file."""
    return [
        replace(a, host=replace(a.host, kept=True)) if a.host.name in fleet.nodes else a
        for a in answers
    ]


def both(text: str, *, done: bool = False) -> tuple[str, Fleet]:
    """The merged text, and what it is read as."""
    fleet = load_text(text, "nodes.yaml")
    new = merged(text, draft(kept(guide() if done else fresh(), fleet), None, fleet), fleet)
    return new, load_text(new, "nodes.yaml")


def test_what_is_missing_comes_in_and_nothing_goes() -> None:
    new, fleet = both(FILE)
    removed = [line[2:] for line in ndiff(FILE.splitlines(), new.splitlines()) if line[0] == "-"]
    assert removed == [
        "    addresses: {air: 192.168.1.11}",
        "  mini2: {addresses: {air: 192.168.1.12}, workdir: ~/x}",
    ]
    assert {n: str(a) for n, a in fleet.nodes["mini3"].addresses.items()} == {
        "air": "192.168.1.13",
        "fabric": "10.10.0.3",
        "edge51": "192.168.51.1",
    }
    assert {n: str(a) for n, a in fleet.nodes["mini2"].addresses.items()} == {
        "air": "192.168.1.12",
        "fabric": "10.10.0.2",
    }
    assert fleet.nodes["mini2"].os == "macos"
    assert fleet.nodes["pi5"].via == {"fabric": "mini1"}
    assert fleet.nodes["pi4"].addresses.keys() == {"air", "edge51"}
    assert list(fleet.jobs) == ["j"]
    assert "  # guessed: fabric 10.10.0.2: no address on bridge0 yet\n  mini2:" in new


def test_an_address_left_to_dhcp_stays_so() -> None:
    new, fleet = both(FILE.replace("air: 192.168.1.13 ", "air: dhcp "))
    assert "      air: dhcp   # by DHCP" in new
    assert fleet.nodes["mini3"].leased == frozenset({"air"})
    assert {n: str(a) for n, a in fleet.nodes["mini3"].addresses.items()} == {
        "fabric": "10.10.0.3",
        "edge51": "192.168.51.1",
    }


def test_names_of_the_file_are_kept_as_they_are() -> None:
    """Also with dots in them, and those of nodes that are not asked."""
    fleet = load_text("fleet: f\nnodes:\n  pi.lan:\n  pi: {connection: none}\n", "x")
    said = machine("pi", {"eth0": "10.0.0.1/24"}, ssh="10.0.0.1")
    own = answer("pi.lan", said)
    own = replace(own, host=replace(own.host, name="pi.lan", kept=True))
    other = answer("10.0.0.2", machine("pi", {"eth0": "10.0.0.2/24"}, ssh="10.0.0.2", serial="2"))
    made = draft([own, other], None, fleet)
    assert [node.name for node in made.nodes] == ["pi.lan", "pi-2"]


def test_a_gateway_of_the_file_may_be_down() -> None:
    new, _ = both(FILE, done=True)
    fleet = load_text(new, "nodes.yaml")
    awake = [answer for answer in kept(guide(), fleet) if answer.host.name != "mini1"]
    assert merged(new, draft(awake, None, fleet), fleet) == new


def test_a_subnet_that_overlaps_one_of_the_file_is_left_out() -> None:
    text = "fleet: f\nnetworks:\n  x: {cidr: 10.9.0.0/24}\nnodes:\n  a:\n  b:\n"
    fleet = load_text(text, "x")
    hosts = [
        answer(name, machine(name, {"eth0": f"10.9.7.{number}/16"}))
        for number, name in enumerate("ab", 1)
    ]
    made = draft(kept(hosts, fleet), None, fleet)
    assert [network.name for network in made.networks] == ["x"]
    assert "10.9.7.1/16 on eth0 is left out" in made.nodes[0].notes[0]


def test_twice_adds_nothing() -> None:
    new, _ = both(FILE)
    assert both(new)[0] == new


def test_the_file_s_own_names_and_plans_are_kept() -> None:
    """Addresses that no node has yet are no reason for another network."""
    planned = FILE.replace(
        "internet:", "  tb: {cidr: 10.99.0.0/24, kind: thunderbolt}\ninternet:"
    ).replace("{air: 192.168.1.12}", "{air: 192.168.1.12, tb: 10.99.0.20}")
    _, fleet = both(planned)
    assert str(fleet.nodes["mini2"].addresses["tb"]) == "10.99.0.20"
    assert {n: node.interfaces.get("tb") for n, node in fleet.nodes.items() if node.interfaces} == {
        "mini1": "bridge0",
        "mini2": "bridge0",
        "mini3": "bridge0",
        "pi5": None,
        "pi4": None,
    }
    assert str(fleet.nodes["mini1"].addresses["tb"]) == "10.99.0.1"
    assert not any(str(n.cidr).startswith("10.10.") for n in fleet.networks.values())


def test_a_file_without_networks_gets_them() -> None:
    _, fleet = both("fleet: f\nnodes:\n  mini1:\n  pi5: {}\n", done=True)
    assert fleet.networks.keys() == {"wifi", "fabric", "edge50", "edge51"}
    assert fleet.nodes["pi5"].via == {"fabric": "mini1"}
    _, fleet = both("fleet: f\nnetworks:\nnodes:\n  mini1:\n", done=True)
    assert len(fleet.networks) == 4


@pytest.mark.parametrize(
    "text",
    [
        "fleet: f\nnodes: {mini1: {}}\n",
        "fleet: f\nnetworks: {air: {cidr: 192.168.1.0/24}}\nnodes:\n  mini1: {}\n",
        "nodes:\n- {alias: mini1, ip: 192.168.1.11}\n",
    ],
)
def test_a_form_that_cannot_be_added_to_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="cannot be added to"):
        both(text)
