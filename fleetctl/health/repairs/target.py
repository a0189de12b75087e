"""A finding and where it is to be repaired, and what a repair comes to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network

from msgspec import Struct

from fleetctl.health import routing
from fleetctl.health.finding import Finding
from fleetctl.model.facts import NodeFacts
from fleetctl.model.setup import NetworkSetup
from fleetctl.model.status import RepairStep
from fleetctl.model.topology import OS, OSES, Fleet, Node


class RepairTarget(Struct, frozen=True):
    """What a remedy is made from."""

    fleet: Fleet
    finding: Finding
    facts: NodeFacts
    setup: NetworkSetup | None = None
    """What the node brings up at its next boot; None: not asked."""

    @property
    def node(self) -> Node:
        return self.fleet.nodes[self.finding.node]

    @property
    def route_interface(self) -> str:
        """The interface that leads to the next hop which a route must have."""
        return routing.interface_towards(self.fleet, self.node, self.facts.network, self.address)

    @property
    def cidr(self) -> IPv4Network:
        """Of the network that the finding is about."""
        assert self.finding.network is not None, self.finding.code
        return self.finding.network.cidr

    @property
    def address(self) -> IPv4Address:
        """The address or the next hop that is missing."""
        assert self.finding.address is not None, self.finding.code
        return self.finding.address


class SetupChange(Struct, frozen=True):
    """Steps, the setup that they leave, and what could not be done."""

    setup: NetworkSetup
    steps: tuple[RepairStep, ...] = ()
    notes: tuple[str, ...] = ()


Live = Callable[[RepairTarget], Iterator[RepairStep]]
"""What works at once, on one system; nothing where nothing can be done."""
Lasting = Callable[[RepairTarget, NetworkSetup], SetupChange]
"""What makes it last over a reboot, on one system."""


class Remedy(Struct, frozen=True):
    """What repairs a kind of problem on one system."""

    live: Live
    lasting: Lasting | str
    """Or why there is nothing to do for good."""
    why_nothing: Callable[[RepairTarget], str] = lambda target: ""
    """Why nothing could be done at once, where that is worth telling."""


Remedies = Mapping[OS, Remedy | str]
"""What repairs a kind of problem on each system, or why nothing does."""


def no_remedy(why: str) -> Remedies:
    """Nothing that fleetctl runs repairs it, whatever the system."""
    return dict.fromkeys(OSES, why)


def nothing_live(_target: RepairTarget) -> Iterator[RepairStep]:
    """All is well until the next boot."""
    yield from ()
