"""The effect of faults on ports and routes, without a kernel."""

from __future__ import annotations

import pytest

from fleetctl import config
from fleetctl.lab.blueprint import Blueprint
from fleetctl.lab.draft import draw
from fleetctl.lab.faults.links import port_state
from fleetctl.lab.faults.routes import wanted_routes, wrong_default, wrong_gateway
from fleetctl.lab.state import Fault
from fleetctl.lab.wiring import PortState
from tests.lab.fleets import SMALL


def drawn(text: str = SMALL) -> Blueprint:
    return draw(config.load_text(text, "nodes.yaml"))


def link(plan: Blueprint, node: str, network: str, *faults: Fault) -> PortState:
    port = plan.machines[node].port_on(network)
    assert port
    return port_state(plan, faults, node, port)


@pytest.mark.parametrize(
    ("node", "network", "fault", "expected"),
    [
        ("pi5", "wifi", Fault("wifi-down", "pi5", "wifi"), PortState(carrier=False)),
        ("mini1", "wifi", Fault("wifi-down", "pi5", "wifi"), PortState()),
        ("pi5", "edge", Fault("wifi-down", "pi5", "wifi"), PortState()),
        ("pi5", "wifi", Fault("wifi-blackhole", "pi5", "wifi"), PortState(joined=False)),
        ("mini1", "edge", Fault("power-off", "pi5"), PortState(carrier=False)),
        ("mini1", "wifi", Fault("power-off", "pi5"), PortState()),
        ("pi5", "edge", Fault("edge-down", "mini1", "edge"), PortState(carrier=False)),
        ("mini2", "fabric", Fault("power-off", "mini1"), PortState()),
        ("pi5", "wifi", Fault("sshd-hang", "pi5"), PortState()),
    ],
)
def test_one_fault(node: str, network: str, fault: Fault, expected: PortState) -> None:
    assert link(drawn(), node, network, fault) == expected


def test_faults_add_up() -> None:
    faults = (Fault("wifi-down", "pi5", "wifi"), Fault("wifi-blackhole", "pi5", "wifi"))
    assert link(drawn(), "pi5", "wifi", *faults) == PortState(carrier=False, joined=False)


def test_a_missing_route_outweighs_a_wrong_one() -> None:
    plan = drawn()
    pi5 = plan.machines["pi5"]
    faults = (Fault("route-missing", "pi5"), Fault("wrong-gateway", "pi5"))
    assert "route flush exact 10.10.0.0/24" in wanted_routes(plan, faults, pi5)


def test_the_wrong_gateway_is_a_neighbour_that_does_not_forward() -> None:
    text = SMALL.replace("via: {fabric: mini1}", "via: {fabric: mini1}\n    gateway: true")
    text = text.replace("fabric: 10.10.0.3}", "fabric: 10.10.0.3, edge: 192.168.50.9}")
    plan = drawn(text)
    pi5 = plan.machines["pi5"]
    assert wrong_gateway(plan, pi5, pi5.routes[0]) == ("192.168.50.9", "eth0")


@pytest.mark.parametrize(
    ("cidr", "expected"),
    [("192.168.50.0/29", ("192.168.50.3", "eth0")), ("192.168.50.0/30", ("192.168.1.1", "wlan0"))],
)
def test_on_a_cable_no_other_node_can_be_the_gateway(cidr: str, expected: tuple[str, str]) -> None:
    plan = drawn(SMALL.replace("192.168.50.0/24", cidr))
    pi5 = plan.machines["pi5"]
    assert wrong_gateway(plan, pi5, pi5.routes[0]) == expected


def test_a_wrong_default_route_leads_to_the_edge_gateway() -> None:
    plan = drawn()
    assert wrong_default(plan, plan.machines["pi5"]) == ("192.168.50.1", "eth0")
    assert wrong_default(plan, plan.machines["mini2"]) == ("10.10.0.1", "thunderbolt0")
    assert wrong_default(plan, plan.machines["ipad"]) is None
