"""One thing that is wrong on one node, by that node's own words."""

from __future__ import annotations

from ipaddress import IPv4Address

from msgspec import Struct

from fleetctl.model.network import Route
from fleetctl.model.topology import Network


class Finding(Struct, frozen=True):
    """What a problem is made of, and what a repair has to mend. Which fields are used depends on
    the code."""

    code: str
    """Of the problem kind; see :mod:`fleetctl.health.kinds`."""
    node: str
    network: Network | None = None
    """The network it is about: where the address belongs, or where the route leads."""
    address: IPv4Address | None = None
    """The address that is missing, or the next hop that the route must have."""
    found: tuple[IPv4Address, ...] = ()
    """What is there instead: other addresses, or another next hop."""
    entry: Route | None = None
    """The routing table's entry for just this destination, where it is wrong."""
    interface: str = ""
    """Where it is wrong, as far as that is known."""
    enabled: bool = True
    """Of a dead interface: it is switched on, so it is the cable and not a setting."""
    idle_minutes: int | None = None
    """After which the node goes to sleep."""
    setting: str = ""
    """The sysctl that has the wrong value."""
    shown_by: str = ""
    """What the node said, with the command that asked."""
