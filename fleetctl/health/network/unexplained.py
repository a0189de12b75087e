"""Unanswered pings that no finding explains, grouped into one problem per likely place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from fleetctl.health.kinds.reachability import ARP_INCOMPLETE, GATEWAY_UNREACHABLE, UNREACHABLE
from fleetctl.health.network.causes import Way
from fleetctl.model.expectations import Expectations, ExpectedReach
from fleetctl.model.facts import NodeFacts
from fleetctl.model.status import Problem
from fleetctl.model.topology import Fleet


def unexplained(
    fleet: Fleet,
    expectations: Expectations,
    facts: Mapping[str, NodeFacts],
    silent: Sequence[ExpectedReach],
) -> Iterator[Problem]:
    """Problems for ``silent``, the unanswered pings with no cause on any node that was asked."""
    left = [r for r in silent if not _hidden(facts, r)]
    ways = {r: Way(fleet, expectations, r) for r in left}

    def explained_by(pairs: Iterable[ExpectedReach]) -> None:
        gone = set(pairs)
        left[:] = [r for r in left if r not in gone]

    for network in dict.fromkeys(r.network for r in left):
        asked = [r for r in expectations.reach if _asked(fleet, facts, r, network)]
        direct = [r for r in left if r in asked]
        if len(asked) > 2 and len(direct) == len(asked):
            yield _network(fleet, network, direct)
            explained_by(r for r in left if network in (link for _, link in ways[r].links))
    for pair in list(left):
        if pair in left and pair.peer in fleet.nodes[pair.node].via.values():
            if not _neighbour(fleet, pair):
                continue
            yield _gateway(pair, facts)
            ends = {pair.node, pair.peer}
            explained_by(
                r
                for r in left
                if (r.network == pair.network and {r.node, r.peer} == ends)
                or (r.node == pair.node and pair.peer in ways[r].stations)
                or (r.peer == pair.node and r.network == pair.network)
            )
    for address in dict.fromkeys(r.to for r in left):
        unheard = [r for r in left if r.to == address]
        if not unheard:
            continue
        first = unheard[0]
        # A gateway's address also answers those behind it, over another one of its links.
        answered = [
            name
            for name, f in facts.items()
            if (e := f.network.echoes.get(address)) and e.received
            if first.network in fleet.nodes[name].networks
            or first.peer not in fleet.nodes[name].via.values()
        ]
        if answered:
            continue
        if len(unheard) > 1 or fleet.nodes[first.peer].connection == "none":
            yield _target(fleet, unheard, facts)
            # what the target sends there, or forwards over that link, fails for the same reason
            link = (first.peer, first.network)
            explained_by(
                r
                for r in left
                if r in unheard or (r.node, r.network) == link or link in ways[r].links
            )
    for name in dict.fromkeys(r.node for r in left):
        yield _asker([r for r in left if r.node == name], facts[name])


def _asked(
    fleet: Fleet, facts: Mapping[str, NodeFacts], reach: ExpectedReach, network: str
) -> bool:
    """Whether ``reach`` is a ping between neighbours on ``network`` that was sent."""
    known = facts.get(reach.node)
    return (
        reach.expected
        and reach.network == network
        and _neighbour(fleet, reach)
        and known is not None
        and reach.to in known.network.echoes
    )


def _hidden(facts: Mapping[str, NodeFacts], reach: ExpectedReach) -> bool:
    """Whether it is a Mac in stealth mode, which answers no ping, and nothing else was asked: an
    SSH port that stays silent as well is no matter of stealth."""
    peer, asker = facts.get(reach.peer), facts.get(reach.node)
    stealth = peer is not None and peer.reliability.stealth is True
    return stealth and not (asker and reach.to in asker.network.answers_tcp)


def _network(fleet: Fleet, network: str, pairs: Sequence[ExpectedReach]) -> Problem:
    nodes = tuple(dict.fromkeys(r.node for r in pairs))
    control = fleet.networks[network].control
    why = (
        "the access point may keep its clients apart (client isolation)"
        if fleet.networks[network].kind == "wifi"
        else "what joins them, a switch or a bridge, does not carry packets"
    )
    return UNREACHABLE.problem(
        None,
        # SSH to these nodes works, else they could not have been asked, so the job may run on
        severity="warning" if control else "error",
        what=f"no node reaches another one on {network}, though all their links are up",
        why=why,
        affects=nodes,
        evidence=f"ping: no answer between {', '.join(nodes)}",
    )


def _target(
    fleet: Fleet, pairs: Sequence[ExpectedReach], facts: Mapping[str, NodeFacts]
) -> Problem:
    first = pairs[0]
    askers = tuple(dict.fromkeys(r.node for r in pairs))
    external = fleet.nodes[first.peer].connection == "none"
    why = (
        "it may be asleep, switched off or in another network"
        if external
        else "its own link is up, so something between drops the packets"
    )
    return UNREACHABLE.problem(
        first.peer,
        what=f"no node reaches {first.peer} at {first.to} on {first.network}",
        why=why,
        affects=askers,
        evidence=_evidence(pairs, facts),
    )


def _gateway(pair: ExpectedReach, facts: Mapping[str, NodeFacts]) -> Problem:
    return GATEWAY_UNREACHABLE.problem(
        pair.node,
        peer=pair.peer,
        address=pair.to,
        network=pair.network,
        affects=(pair.node,),
        evidence=_evidence([pair], facts),
    )


def _asker(pairs: Sequence[ExpectedReach], facts: NodeFacts) -> Problem:
    name = pairs[0].node
    targets = ", ".join(f"{r.to} ({r.peer} on {r.network})" for r in pairs)
    affects = tuple(dict.fromkeys(r.peer for r in pairs))
    evidence = _evidence(pairs, {name: facts})
    if all(_unanswered(facts, r) for r in pairs):
        return ARP_INCOMPLETE.problem(name, targets=targets, affects=affects, evidence=evidence)
    return UNREACHABLE.problem(
        name,
        what=f"{name} gets no answer from {targets}, though links, routes and forwarding on the "
        "way are as they should be",
        why="a firewall may drop the packets",
        affects=affects,
        evidence=evidence,
    )


def _unanswered(facts: NodeFacts, reach: ExpectedReach) -> bool:
    """Whether ARP requests for the address were sent, and none was answered."""
    states = [n.state for n in facts.network.neighbours or () if n.address == reach.to]
    return bool(states) and "known" not in states


def _neighbour(fleet: Fleet, reach: ExpectedReach) -> bool:
    return reach.network in fleet.nodes[reach.node].networks


def _evidence(pairs: Sequence[ExpectedReach], facts: Mapping[str, NodeFacts]) -> str:
    said = []
    for r in pairs[:4]:
        known = facts.get(r.node)
        echo = known.network.echoes.get(r.to) if known else None
        count = f"{echo.received} of {echo.sent} echoes came back" if echo else "no echo"
        if known and known.network.answers_tcp.get(r.to) is False:
            count += ", and its SSH port is silent"
        said.append(f"{r.node}: ping {r.to}: {count}")
    return "; ".join(said)
