"""What is asked of a node, as a value."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address
from typing import Literal

from msgspec import Struct

from fleetctl.model.jobs import Instance

Depth = Literal["status", "check"]
"""``status`` asks what one quick round trip can answer; ``check`` also waits: three echoes instead
of one, the addresses that must stay silent, and what takes a Mac a second to say."""


class Questions(Struct, frozen=True):
    """For one node."""

    fleet: str
    node: str
    depth: Depth = "status"
    echoes: Mapping[IPv4Address, int | None] = {}
    """Addresses that must answer, each with the SSH port that may answer instead, if it has one."""
    silent: tuple[IPv4Address, ...] = ()
    """Addresses that must not answer."""
    ways: tuple[IPv4Address, ...] = ()
    """Addresses to which the way that a packet would take is asked."""
    forwards: bool = False
    """It must forward packets, so what the next boot brings is asked as well."""
    instances: tuple[Instance, ...] = ()
    """That run here."""
    neighbours: tuple[tuple[Instance, IPv4Address, int], ...] = ()
    """Instances here that connect to a neighbour: its address, and the SSH port there."""
