"""What repairs of addresses and links will bring up: routes that can be judged only then."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from ipaddress import IPv4Interface

from msgspec.structs import replace

from fleetctl.health.finding import Finding
from fleetctl.health.kinds.network import ADDRESS_MISSING, INTERFACE_DOWN
from fleetctl.health.network.findings import findings
from fleetctl.health.network.rows import firm_rows
from fleetctl.model.expectations import Expectations
from fleetctl.model.facts import NodeFacts
from fleetctl.model.network import Interface, Route
from fleetctl.model.topology import Fleet, Node

_MOST = 3
"""A link, then its address, then the routes over it."""
Follow = tuple[NodeFacts, tuple[Finding, ...]]


def follow_ups(
    fleet: Fleet,
    expectations: Expectations,
    node: Node,
    facts: NodeFacts,
    repaired: Sequence[Finding],
    known: Collection[Finding],
) -> Iterator[Follow]:
    """What will be found on ``node`` after a repair, and after the repair of that, each time with
    the facts that it starts from.

    :param repaired: what is repaired now.
    :param known: all that is found now.
    """
    told = {_about(finding) for finding in known}
    for _ in range(_MOST):
        after = _after(facts, repaired)
        if after == facts:
            return
        facts = after
        rows = firm_rows(fleet, expectations, node, facts)
        repaired = tuple(f for f in findings(fleet, node, facts, rows) if _about(f) not in told)
        if not repaired:
            return
        yield facts, repaired
        told |= {_about(finding) for finding in repaired}


def _about(finding: Finding) -> tuple[str, str, str]:
    return finding.code, finding.network.name if finding.network else "", finding.interface


def _after(facts: NodeFacts, repaired: Sequence[Finding]) -> NodeFacts:
    """``facts`` once missing addresses are there and links are switched on."""
    network = facts.network
    cards = {card.name: card for card in network.interfaces or ()}
    routes = list(network.routes or ())
    for finding in repaired:
        card = cards.get(finding.interface)
        if card is None or finding.network is None:
            continue
        if finding.code == ADDRESS_MISSING.code and finding.address:
            cidr = finding.network.cidr
            own = IPv4Interface((finding.address, cidr.prefixlen))
            cards[card.name] = replace(_on(card), addresses=(*card.addresses, own))
            routes.append(Route(cidr, None, card.name))
        elif finding.code == INTERFACE_DOWN.code and not finding.enabled:
            cards[card.name] = _on(card)
    if cards == {card.name: card for card in network.interfaces or ()}:
        return facts
    known = None if network.routes is None else tuple(routes)
    return replace(facts, network=replace(network, interfaces=tuple(cards.values()), routes=known))


def _on(card: Interface) -> Interface:
    return card if card.enabled else replace(card, enabled=True, link=None)
