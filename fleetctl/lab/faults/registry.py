"""All kinds of faults."""

from __future__ import annotations

from collections.abc import Mapping

from fleetctl.lab.faults import (
    clock,
    detours,
    forwarding,
    links,
    machine,
    power,
    routes,
    ssh,
    strangers,
)
from fleetctl.lab.faults.kind import FaultKind

KINDS: Mapping[str, FaultKind] = {
    kind.name: kind
    for family in (power, links, forwarding, routes, detours, machine, clock, strangers, ssh)
    for kind in family.KINDS
}
"""By name, in the order of `lab fault --list`."""
