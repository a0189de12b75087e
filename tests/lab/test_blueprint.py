"""Blueprints of fleets in every form that nodes.yaml allows."""

from __future__ import annotations

import pytest

from fleetctl import config
from fleetctl.errors import LabError
from fleetctl.lab.blueprint import CONTROLLER, ROUTER, Blueprint
from fleetctl.lab.draft import draw
from tests.lab.fleets import GUIDE, PAIR, SMALL


def drawn(text: str, *, as_guide: bool = False) -> Blueprint:
    return draw(config.load_text(text, "nodes.yaml"), as_guide=as_guide)


def ports(plan: Blueprint, key: str) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {p.network: (p.interface, p.addresses) for p in plan.machines[key].ports}


def test_ports_have_declared_addresses_on_linux_interface_names() -> None:
    assert ports(drawn(SMALL), "mini1") == {
        "wifi": ("wlan0", ("192.168.1.11/24",)),
        "fabric": ("thunderbolt0", ("10.10.0.1/24",)),
        "edge": ("eth0", ("192.168.50.1/24",)),
    }


def test_interfaces_of_nodes_yaml_are_the_nodes_own() -> None:
    """Those that it does not name keep out of their way."""
    named = "    interfaces: {edge: eth1, fabric: wlan0}\n    gateway: true"
    assert ports(drawn(SMALL.replace("    gateway: true", named)), "mini1") == {
        "wifi": ("wlan1", ("192.168.1.11/24",)),
        "fabric": ("wlan0", ("10.10.0.1/24",)),
        "edge": ("eth1", ("192.168.50.1/24",)),
    }


def test_out_of_its_box_a_node_has_no_addresses_but_those_of_ssh() -> None:
    """Not even on a network for data, where SSH goes over it."""
    text = SMALL.replace("{host: 192.168.1.25, user: pi}", "{host: 192.168.50.2, user: pi}")
    plan = draw(config.load_text(text, "nodes.yaml"), factory=True)
    bare = {
        key: [port.network for port in machine.ports if plan.bare(machine, port)]
        for key, machine in plan.machines.items()
    }
    assert {key: networks for key, networks in bare.items() if networks} == {
        "mini1": ["fabric", "edge"],
        "mini2": ["fabric"],
        "mini3": ["fabric"],
    }
    plan = drawn(text)
    assert not any(plan.bare(m, port) for m in plan.machines.values() for port in m.ports)


def test_dhcp_gives_the_address_of_ssh_or_a_free_one() -> None:
    text = SMALL.replace("{wifi: 192.168.1.11,", "{wifi: dhcp,")
    assert text != SMALL
    assert ports(drawn(text), "mini1") == ports(drawn(SMALL), "mini1")
    named = text.replace("host: 192.168.1.11", "host: mini1.local")
    assert ports(drawn(named), "mini1")["wifi"] == ("wlan0", ("192.168.1.254/24",))
    assert drawn(named).machines["mini1"].login.aliases == ("mini1.local",)  # type: ignore[union-attr]


def test_router_and_controller_get_free_addresses_on_the_control_network_only() -> None:
    plan = drawn(SMALL)
    assert ports(plan, ROUTER) == {"wifi": ("wlan0", ("192.168.1.1/24",))}
    assert ports(plan, CONTROLLER) == {"wifi": ("wlan0", ("192.168.1.254/24",))}
    default = plan.machines["pi5"].default
    assert default and (default.via, default.interface) == ("192.168.1.1", "wlan0")


def test_router_moves_aside_when_its_usual_addresses_are_taken() -> None:
    text = SMALL.replace("192.168.1.11", "192.168.1.1").replace("192.168.1.12", "192.168.1.254")
    plan = drawn(text)
    assert ports(plan, ROUTER)["wifi"][1] == ("192.168.1.253/24",)
    assert ports(plan, CONTROLLER)["wifi"][1] == ("192.168.1.252/24",)


def test_a_control_network_without_room_is_refused() -> None:
    text = """\
fleet: tight
networks: {wifi: {cidr: 192.168.1.0/30, control: true}}
nodes:
  a: {ssh: {host: 192.168.1.1}, addresses: {wifi: 192.168.1.1}}
  b: {ssh: {host: 192.168.1.2}, addresses: {wifi: 192.168.1.2}}
"""
    with pytest.raises(LabError, match=r"wifi \(192\.168\.1\.0/30\) has no free address"):
        drawn(text)


def test_the_guides_routes_return_routes_and_forwarding() -> None:
    plan = drawn(GUIDE)
    routes = {
        (key, r.to, r.via, r.interface, r.kind)
        for key, m in plan.machines.items()
        for r in m.routes
    }
    assert routes == {
        ("pi5", "10.10.0.0/24", "192.168.50.1", "eth0", "route"),
        ("pi4", "10.10.0.0/24", "192.168.51.2", "eth0", "route"),
        ("mini1", "192.168.51.0/24", "10.10.0.3", "thunderbolt0", "return"),
        ("mini2", "192.168.51.0/24", "10.10.0.3", "thunderbolt0", "return"),
        ("mini2", "192.168.50.0/24", "10.10.0.1", "thunderbolt0", "return"),
        ("mini3", "192.168.50.0/24", "10.10.0.1", "thunderbolt0", "return"),
    }
    forwarding = {key for key, m in plan.machines.items() if m.forwarding}
    assert forwarding == {"mini1", "mini3", ROUTER}


def test_as_the_guide_says_only_return_routes_are_left_out() -> None:
    kinds = {r.kind for m in drawn(GUIDE, as_guide=True).machines.values() for r in m.routes}
    assert kinds == {"route"}


def test_cables_have_two_ends_and_no_access_point() -> None:
    assert {s.name for s in drawn(GUIDE).segments.values() if s.cable} == {"edge50", "edge51"}


def test_where_no_network_is_marked_the_ssh_addresses_tell() -> None:
    plan = drawn(PAIR)
    assert plan.segments["lan"].control
    assert ports(plan, CONTROLLER) == {"lan": ("eth0", ("172.20.0.253/24",))}
    a, b = plan.machines["a"], plan.machines["b"]
    assert (a.user, a.home) == ("fleet", "/home/fleet")
    assert (b.user, b.uid, b.home) == ("root", 0, "/root")
    assert a.login and a.login.identity_file == "~/.ssh/id_ed25519"


def test_ssh_addresses_outside_of_all_networks_get_networks_of_their_own() -> None:
    plan = drawn(
        """\
fleet: plain
nodes:
  a: {ssh: {host: 10.1.2.3}}
  b: {ssh: {host: 10.1.2.4}}
  c: {ssh: {host: 10.9.9.9}}
  d: {}
"""
    )
    assert [(s.cidr, s.control) for s in plan.segments.values()] == [
        ("10.1.2.0/24", True),
        ("10.9.9.0/24", True),
    ]
    assert len(ports(plan, CONTROLLER)) == 2
    d = plan.machines["d"].login
    assert d and d.aliases == ("d",)
    assert d.address.startswith("10.1.2.")


def test_the_older_list_form() -> None:
    plan = drawn("nodes:\n  - {alias: mini1, ip: 192.168.7.2, user: ann}\n")
    login = plan.machines["mini1"].login
    assert login and login.address == "192.168.7.2"
    assert plan.machines["mini1"].user == "ann"


def test_an_ssh_address_that_is_not_among_the_nodes_addresses() -> None:
    text = SMALL.replace("addresses: {wifi: 192.168.1.25, edge", "addresses: {edge")
    assert ports(drawn(text), "pi5")["wifi"] == ("wlan0", ("192.168.1.25/24",))


def test_a_name_as_host_leads_to_the_control_address() -> None:
    login = drawn(SMALL).machines["mini2"].login
    assert login and (login.address, login.aliases) == ("192.168.1.12", ("mini2",))
    assert not (one := drawn(SMALL).machines["mini1"].login) or one.aliases == ()


def test_behind_a_jump_host_the_controller_is_not_on_that_network() -> None:
    text = """\
fleet: inner
networks:
  outer: {cidr: 192.168.1.0/24}
  inner: {cidr: 10.0.0.0/24}
nodes:
  door: {ssh: {host: 192.168.1.2}, addresses: {outer: 192.168.1.2, inner: 10.0.0.1}}
  deep: {ssh: {host: 10.0.0.2, proxy_jump: door}, addresses: {inner: 10.0.0.2}}
"""
    plan = drawn(text)
    assert set(ports(plan, CONTROLLER)) == {"outer"}
    door = plan.machines["door"].login
    assert door and door.aliases == ("door",)  # so that ProxyJump by its name works


def test_local_nodes_are_the_controller() -> None:
    text = SMALL.replace(
        "macbook: {connection: local}",
        "macbook: {connection: local, addresses: {wifi: 192.168.1.77, fabric: 10.10.0.7}}",
    )
    plan = drawn(text)
    assert plan.machine("macbook") is plan.machine("controller")
    assert plan.machine("macbook").hostname == "macbook"
    assert ports(plan, CONTROLLER)["wifi"][1] == ("192.168.1.77/24",)
    assert [r.to for r in plan.machine("macbook").routes] == ["192.168.50.0/24"]


@pytest.mark.parametrize("host", ["127.0.0.1", "fe80::1"])
def test_addresses_no_node_can_have(host: str) -> None:
    text = f"fleet: f\nnodes:\n  a: {{ssh: {{host: '{host}'}}}}\n"
    with pytest.raises(LabError, match=f"cannot give a node the address {host}"):
        drawn(text)


def test_switch_ports_are_unique_and_short_enough_for_linux() -> None:
    nodes = "".join(
        f"  node{i}: {{ssh: {{host: 10.0.{i // 200}.{i % 200 + 1}}}}}\n" for i in range(400)
    )
    plan = drawn(f"fleet: many\nnodes:\n{nodes}")
    names = [p.switch_port for m in plan.machines.values() for p in m.ports]
    assert len(set(names)) == len(names) > 400
    assert max(map(len, names)) <= 15
    macs = [p.mac for m in plan.machines.values() for p in m.ports]
    assert len(set(macs)) == len(macs)
