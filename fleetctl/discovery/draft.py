"""A nodes.yaml that is not written yet: each value with where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network
from typing import Generic, TypeVar

from msgspec import Struct

from fleetctl.model.topology import OS, SSH, Fleet, Network, Node

T = TypeVar("T")


class Noted(Struct, Generic[T], frozen=True):
    """A value and its reason."""

    value: T
    why: str
    """Where it comes from, as a clause."""
    guessed: bool = False
    """No node said so: it is proposed."""


class DraftNetwork(Struct, frozen=True):
    """A network of the draft."""

    name: str
    cidr: IPv4Network
    kind: str
    why: str
    control: bool = False
    guessed: bool = False


class DraftNode(Struct, frozen=True):
    """A node of the draft."""

    name: str
    ssh: Noted[SSH]
    os: Noted[OS] | None = None
    """None: the node could not be asked."""
    addresses: Mapping[str, Noted[IPv4Address]] = {}
    """By network name."""
    interfaces: Mapping[str, Noted[str]] = {}
    """By network name: the port for an address that is not there yet."""
    leased: frozenset[str] = frozenset()
    """The networks of ``addresses`` with one that the file leaves to DHCP."""
    gateway: Noted[bool] | None = None
    """None: it forwards for no other node."""
    via: Mapping[str, Noted[str]] = {}
    """By network name: the gateway node."""
    notes: tuple[str, ...] = ()
    """What the reader of the file should know of the node."""


class LeftOut(Struct, frozen=True):
    """A host that does not become a node."""

    host: str
    why: str


class Draft(Struct, frozen=True):
    """The whole file."""

    fleet: str
    networks: tuple[DraftNetwork, ...]
    nodes: tuple[DraftNode, ...]
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()
    """What could not be seen, and concerns several nodes."""

    @property
    def guesses(self) -> int:
        """How many values are guessed."""
        of_nodes = (
            noted.guessed
            for node in self.nodes
            for noted in (*node.addresses.values(), *node.via.values(), node.gateway)
            if noted is not None
        )
        return sum(n.guessed for n in self.networks) + sum(of_nodes)


def as_fleet(
    networks: Mapping[str, DraftNetwork],
    addresses: Mapping[str, Mapping[str, Noted[IPv4Address]]],
    via: Mapping[str, Mapping[str, Noted[str]]],
) -> Fleet:
    """The topology so far, to derive from.

    :param addresses: by node and network.
    :param via: by node and network.
    """
    return Fleet(
        "draft",
        {name: Network(name, n.cidr, n.kind, control=n.control) for name, n in networks.items()},
        {
            name: Node(
                name,
                SSH(name),
                addresses={network: noted.value for network, noted in own.items()},
                via={network: noted.value for network, noted in via.get(name, {}).items()},
            )
            for name, own in addresses.items()
        },
    )
