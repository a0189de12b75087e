"""The list of all kinds of problems."""

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
"""Those with problems that are made of one node's findings."""

STOPS_START = frozenset(code for code, kind in KINDS.items() if kind.stops_start)
"""Problems of the network only. What is wrong with a node itself, such as a missing folder, stops
only its own instances, and starting those reports it; a lost node may come back meanwhile."""
