"""One thing that is wrong on one node, as the node's own facts show."""

from __future__ import annotations

from ipaddress import IPv4Address

from msgspec import Struct

from fleetctl.health.owners import Owner
from fleetctl.model.network import Route
from fleetctl.model.requirements import Requirement
from fleetctl.model.topology import Network


class Lack(Struct, frozen=True):
    """A requirement of the job that does not hold."""

    requirement: Requirement
    path: str | None = None
    """Where another version of the program is; ``None``: it is not there."""
    version: str = ""

    def __str__(self) -> str:
        there = f" ({self.path} is {self.version})" if self.path else ""
        return f"{self.requirement}{there}"


class Finding(Struct, frozen=True):
    """A problem is made of findings, and a repair fixes them. The code decides which fields are
    used."""

    code: str
    """Of the problem kind; see :mod:`fleetctl.health.kinds`."""
    node: str
    network: Network | None = None
    """The network of the address, or the destination of the route."""
    address: IPv4Address | None = None
    """The address that is missing, or the next hop that the route must have."""
    found: tuple[IPv4Address, ...] = ()
    """What is there instead: other addresses, or another next hop. Of a wrong interface: the
    addresses to which packets leave by it."""
    entry: Route | None = None
    """The wrong route to exactly this destination, if there is one. Of a wrong interface: the route
    that leads there, also a narrower or a wider one."""
    interface: str = ""
    """The interface that is affected; empty: not known."""
    instead: str = ""
    """The interface that should be used."""
    owner: Owner | None = None
    """The program to which ``interface`` belongs, if that is known."""
    enabled: bool = True
    """Of a dead interface: it is switched on, so the cable is the cause and not a setting."""
    idle_minutes: int | None = None
    """Minutes without use after which the node goes to sleep."""
    masks: tuple[int, ...] = ()
    """The prefix lengths that the address has, and must not have."""
    at_boot: str = ""
    """What the next boot brings instead, or what sets it up: the end of a sentence."""
    twin_of: str = ""
    """The node whose address this one has as well."""
    setting: str = ""
    """The sysctl that has the wrong value."""
    lack: Lack | None = None
    """The program that is missing, or too old or too new."""
    shown_by: str = ""
    """The command that was run on the node, and what it said."""
