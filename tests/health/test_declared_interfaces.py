"""A missing address goes to the port that nodes.yaml names; without one, by the network's kind."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import IPv4Interface

import pytest

from fleetctl.config import load_text
from fleetctl.health.finding import Finding
from fleetctl.health.network.findings import findings
from fleetctl.health.network.rows import firm_rows
from fleetctl.health.remedies import plan
from fleetctl.model.expectations import derive
from fleetctl.model.facts import NetworkFacts, NodeFacts
from fleetctl.model.network import Interface
from fleetctl.model.node_status import SystemStatus
from fleetctl.model.topology import Fleet

FLEET = """\
fleet: f
internet: null
networks:
  wifi: {{cidr: 192.168.1.0/24, kind: wifi, control: true}}
  edge50: {{cidr: 192.168.50.0/24}}
nodes:
  mini1:
    addresses: {{wifi: 192.168.1.11, edge50: 192.168.50.1}}
    interfaces: {interfaces}
"""
WIFI = Interface("en1", True, True, (IPv4Interface("192.168.1.11/24"),))


BRIDGE = Interface("bridge0", True, True, members=("en2",))


def port(name: str, *addresses: str, enabled: bool = True, link: bool = True) -> Interface:
    return Interface(name, enabled, link, tuple(map(IPv4Interface, addresses)))


def fleet(interfaces: str = "{}") -> Fleet:
    return load_text(FLEET.format(interfaces=interfaces), "nodes.yaml")


def facts(*interfaces: Interface) -> NodeFacts:
    return NodeFacts(
        measured_at=datetime(2026, 1, 1, tzinfo=UTC),
        system=SystemStatus(os="macos"),
        tmux_version="3.5a",
        panes=(),
        records={},
        log_bytes={},
        listeners=(),
        runs={},
        network=NetworkFacts(interfaces=(WIFI, *interfaces), routes=()),
    )


def found(of: Fleet, said: NodeFacts) -> list[Finding]:
    node = of.nodes["mini1"]
    return list(findings(of, node, said, firm_rows(of, derive(of), node, said)))


@pytest.mark.parametrize(
    ("interfaces", "ports", "expected"),
    [
        ("{}", (port("en0"),), ("address-missing", "en0")),
        ("{}", (port("en0"), port("en2")), ("address-missing", "")),
        ("{}", (port("en0"), port("en2"), BRIDGE), ("address-missing", "en0")),
        ("{edge50: en0}", (port("en0"), port("en2")), ("address-missing", "en0")),
        ("{edge50: bridge0}", (port("en0"), port("bridge0")), ("address-missing", "bridge0")),
        ("{edge50: en5}", (port("en0"),), ("address-missing", "")),
        ("{edge50: en0}", (port("en0", link=False), port("en2")), ("interface-down", "en0")),
        ("{edge50: en0}", (port("en0", "172.16.0.4/24"),), ("address-missing", "en0")),
        ("{}", (port("en0", "172.16.0.4/24"),), ("address-missing", "")),
        ("{}", (port("en0", "169.254.3.4/16"),), ("address-missing", "en0")),
    ],
)
def test_the_port_of_a_missing_address(
    interfaces: str, ports: tuple[Interface, ...], expected: tuple[str, str]
) -> None:
    [finding] = found(fleet(interfaces), facts(*ports))
    assert (finding.code, finding.interface) == expected


def test_why_no_port_is_known() -> None:
    for interfaces, why in (
        (
            "{edge50: bridge0}",
            "mini1 has no bridge0, which joins its Thunderbolt ports: make it in System Settings "
            "(Network, …, Manage Virtual Interfaces), or until the next boot with `sudo ifconfig "
            "bridge0 create` and `sudo ifconfig bridge0 addm en2` for each of them (networksetup "
            "-listallhardwareports)",
        ),
        (
            "{edge50: en5}",
            "mini1 has no en5, by which nodes.yaml says it is on edge50: correct interfaces there, "
            "or bring that port back",
        ),
        (
            "{}",
            "which interface of mini1 belongs to edge50 is not known: name it by interfaces in "
            "nodes.yaml",
        ),
    ):
        of, said = fleet(interfaces), facts(port("en0"), port("en2"))
        [finding] = found(of, said)
        assert plan(of, finding, said).notes == (why,)
