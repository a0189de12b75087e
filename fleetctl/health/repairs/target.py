"""What a repair starts from and what it results in: target, remedy, change of the setup."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from msgspec import Struct

from fleetctl.health import at_boot, routing
from fleetctl.health.finding import Finding
from fleetctl.model.facts import NodeFacts
from fleetctl.model.setup import NetworkSetup
from fleetctl.model.status import RepairStep
from fleetctl.model.topology import OS, OSES, Fleet, Node


class RepairTarget(Struct, frozen=True):
    """A finding to repair, with what is known of its node."""

    fleet: Fleet
    finding: Finding
    facts: NodeFacts
    setup: NetworkSetup | None = None
    """How the node's network is set up after its next boot; None: not asked."""

    @property
    def node(self) -> Node:
        return self.fleet.nodes[self.finding.node]

    @property
    def route_interface(self) -> str:
        """The interface towards the next hop that the route must have."""
        return routing.interface_towards(self.fleet, self.node, self.facts.network, self.address)

    @property
    def on_control(self) -> bool:
        """Whether the finding is about a control network, to which the default route belongs."""
        return self.finding.network is not None and self.finding.network.control

    @property
    def leased(self) -> bool:
        """Whether nodes.yaml says that DHCP gives the address."""
        network = self.finding.network
        return network is not None and network.name in self.node.leased

    @property
    def by_dhcp(self) -> bool:
        """Whether a router's DHCP gives the address, and so its mask."""
        if self.leased:
            return True
        setup = self.setup or self.facts.setup
        if setup is None or not self.on_control:
            return False
        wanted = IPv4Interface((self.address, self.cidr.prefixlen))
        coming = at_boot.boot(setup, self.finding.interface)
        kept = coming.of(lambda way: at_boot.address(way, wanted, leased=True))
        return kept.reason == at_boot.BY_DHCP

    @property
    def leased_at_boot(self) -> str:
        """Why no fixed address is set for the next boot."""
        interface = self.finding.interface or "its interface"
        return (
            f"{self.finding.node}: nodes.yaml says that DHCP gives this address: let what sets up "
            f"{interface} at boot ask for it"
        )

    @property
    def no_default_at_boot(self) -> str:
        """Why a default route is not made to last."""
        return (
            f"{self.finding.node}: which router the control network has at the next boot is the "
            f"user's to say: let {self.finding.interface} use DHCP, or give it a router"
        )

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

    def entries(self, addresses: Collection[IPv4Address]) -> tuple[IPv4Interface, ...]:
        """Those of ``addresses`` that the finding's interface has, each with its mask."""
        return tuple(
            own
            for interface in self.facts.network.interfaces or ()
            if interface.name == self.finding.interface
            for own in interface.addresses
            if own.ip in addresses
        )

    @property
    def has_address(self) -> bool:
        """Whether the interface has the address with the right mask, besides a wrong one."""
        return any(own.network == self.cidr for own in self.entries((self.address,)))


class SetupChange(Struct, frozen=True):
    """Steps, the setup after them, and notes on what cannot be done."""

    setup: NetworkSetup
    steps: tuple[RepairStep, ...] = ()
    notes: tuple[str, ...] = ()


Live = Callable[[RepairTarget], Iterator[RepairStep]]
"""Makes the steps that work at once on one system; none if nothing can be done."""
Lasting = Callable[[RepairTarget, NetworkSetup], SetupChange]
"""Makes the steps that let the repair last over a reboot on one system."""


class Remedy(Struct, frozen=True):
    """What repairs a kind of problem on one system."""

    live: Live
    lasting: Lasting | str
    """A string: why there is nothing to do for good."""
    why_nothing: Callable[[RepairTarget], str] = lambda target: ""
    """Why there are no live steps; empty: not worth telling."""


Remedies = Mapping[OS, Remedy | str]
"""What repairs a kind of problem on each system; a string: why fleetctl cannot."""


def no_remedy(why: str) -> Remedies:
    """For a kind that fleetctl cannot repair on any system."""
    return dict.fromkeys(OSES, why)


def nothing_live(_target: RepairTarget) -> Iterator[RepairStep]:
    """For a kind that only matters from the next boot on."""
    yield from ()
