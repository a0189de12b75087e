"""The one list of all kinds of problems, from which every other follows."""

from __future__ import annotations

from collections.abc import Mapping

from fleetctl.health.kinds import connection, instances, machine, network, reachability
from fleetctl.health.kinds.kind import FindingKind, ProblemKind

KINDS: Mapping[str, ProblemKind] = {
    kind.code: kind
    for family in (connection, network, reachability, machine, instances)
    for kind in family.KINDS
}
"""By code, in the order in which ``fleetctl explain`` lists them."""

FINDING_KINDS: Mapping[str, FindingKind] = {
    code: kind for code, kind in KINDS.items() if isinstance(kind, FindingKind)
}
"""Those that a single node shows by itself."""

STOPS_START = frozenset(code for code, kind in KINDS.items() if kind.stops_start)
"""Of the network alone. What is wrong with a node itself, such as a missing folder, stops only what
is on it, and the birth there says so; a node that is lost may come back while others start."""
