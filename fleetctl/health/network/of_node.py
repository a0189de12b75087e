"""What a node's own facts show of its network, kept while it says the same."""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec import Struct
from msgspec.structs import replace

from fleetctl.health.finding import Finding
from fleetctl.health.judged import Judged
from fleetctl.health.network.detours import marked
from fleetctl.health.network.findings import findings
from fleetctl.health.network.rows import Rows, firm_rows, unknown_rows, with_measured
from fleetctl.health.network.warnings import Warned, warnings
from fleetctl.model.facts import NetworkFacts, NodeFacts
from fleetctl.model.network import Echo
from fleetctl.model.node_status import SystemStatus
from fleetctl.model.questions import Depth
from fleetctl.model.topology import Node, supported_os

_HEARD, _UNHEARD = Echo(1, 1), Echo(1, 0)
_AT_NO_TIME = datetime.fromtimestamp(0, UTC)


class OfNode(Struct, frozen=True):
    """What is known of one node's network by itself."""

    rows: Rows
    told: NodeFacts | None = None
    """Of its facts what seldom changes; the same object while none of it does. None: there are
    none."""
    found: tuple[Finding, ...] = ()
    warnings: tuple[Warned, ...] = ()


def of_node(judged: Judged, node: Node, facts: NodeFacts, depth: Depth) -> OfNode:
    """Of a node that answered."""
    name, expectations = node.name, judged.expectations
    told = _firm(judged, name, facts)
    firm = judged.of(("network", name), (told,), lambda: _of_node(judged, node, told))
    reliability = judged.same(("reliability", name), facts.reliability)

    def warned() -> tuple[Warned, ...]:
        all_told = replace(told, reliability=reliability)
        return tuple(warnings(judged.fleet, node, all_told, firm.rows))

    def measured() -> OfNode:
        rows = with_measured(firm.rows, facts, expectations.reach_of(name), depth)
        return replace(firm, rows=marked(rows, firm.found), warnings=found)

    found = judged.of(("warnings", name), (firm, reliability), warned)
    made_of = (firm, found, facts.network, facts.unknown, depth)
    return judged.of(("measured network", name), made_of, measured)


def unknown_node(judged: Judged, node: Node, why: str) -> OfNode:
    """Of a node that gave no facts, for the reason ``why``."""

    def make() -> OfNode:
        return OfNode(unknown_rows(judged.fleet, judged.expectations, node, why))

    return judged.of(("unknown network", node.name), (judged.same(("why", node.name), why),), make)


def _of_node(judged: Judged, node: Node, told: NodeFacts) -> OfNode:
    """
    :param told: what :func:`_firm` leaves: with all else in them, facts are seldom the same.
    """
    rows = firm_rows(judged.fleet, judged.expectations, node, told)
    return OfNode(rows, told, tuple(findings(judged.fleet, node, told, rows)))


def _firm(judged: Judged, name: str, facts: NodeFacts) -> NodeFacts:
    """Of ``facts`` what seldom changes, as an object that stays the same while none of it does.

    Of a ping there is left whether it, or the SSH port, was answered: that tells whether an
    interface leads anywhere.
    """
    network = facts.network
    os = supported_os(facts.system.os) if facts.system else None
    made_of = (network, facts.unknown, facts.setup, facts.boot_start, facts.thunderbolt, os)

    def make() -> NodeFacts:
        echoes = {
            to: _HEARD if echo.received or network.answers_tcp.get(to) else _UNHEARD
            for to, echo in network.echoes.items()
        }
        said = NodeFacts(
            measured_at=_AT_NO_TIME,
            system=SystemStatus(os=os),
            tmux_version=None,
            panes=None,
            records={},
            log_bytes={},
            listeners=None,
            runs=None,
            network=NetworkFacts(
                interfaces=network.interfaces,
                routes=network.routes,
                taken=network.taken,
                forwarding=network.forwarding,
                forwarding_persistent=network.forwarding_persistent,
                persistence=network.persistence,
                strict_filters=network.strict_filters,
                echoes=echoes,
            ),
            thunderbolt=facts.thunderbolt,
            setup=facts.setup,
            boot_start=facts.boot_start,
            unknown=facts.unknown,
        )
        return judged.same(("firm", name), said)

    return judged.of(("firm", name), made_of, make)
