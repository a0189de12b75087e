"""What a node is asked, as a value."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address
from typing import Literal

from msgspec import Struct

from fleetctl.model.jobs import Instance

Depth = Literal["status", "check"]
"""``status`` asks what one quick round trip can answer; ``check`` also what takes longer: ten
pings instead of one, addresses that must not answer, and slow commands of macOS."""


class CodePlace(Struct, frozen=True):
    """Where the code of a job is on a node."""

    job: str
    folder: str
    """May begin with ``~/``."""
    synced: bool
    """Whether ``sync`` brings it."""


class Questions(Struct, frozen=True):
    """The questions to one node."""

    fleet: str
    node: str
    depth: Depth = "status"
    echoes: Mapping[IPv4Address, int | None] = {}
    """Addresses that must answer, each with the SSH port there, which may answer instead of ping;
    None: no SSH server."""
    silent: tuple[IPv4Address, ...] = ()
    """Addresses that must not answer."""
    ways: tuple[IPv4Address, ...] = ()
    """Addresses to which the route is asked."""
    forwards: bool = False
    """It must forward packets, so it is also asked whether it will after the next boot."""
    instances: tuple[Instance, ...] = ()
    """Those on the node, of all jobs that are asked about."""
    programs: tuple[str, ...] = ()
    """Programs that are looked for."""
    versions: bool = False
    """Whether these are asked for their versions, which takes a process each."""
    codes: tuple[CodePlace, ...] = ()
    """Of the jobs that have a folder there."""
    neighbours: tuple[tuple[Instance, IPv4Address, int], ...] = ()
    """Those that connect to a neighbour, with its address and SSH port."""
