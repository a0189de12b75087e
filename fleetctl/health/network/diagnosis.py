"""From the findings of each node to one problem per root cause, with the nodes that it affects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from fleetctl.errors import LinkError
from fleetctl.health import routing
from fleetctl.health.finding import Finding
from fleetctl.health.judged import Judged
from fleetctl.health.kinds.connection import SSH_SECOND_WAY
from fleetctl.health.kinds.network import (
    ADDRESS_MISSING,
    DEFAULT_ROUTE_STOLEN,
    INTERFACE_DOWN,
    ROUTE_WRONG_GATEWAY,
)
from fleetctl.health.kinds.reachability import NO_INTERNET, NOT_ISOLATED, PACKET_LOSS
from fleetctl.health.kinds.registry import FINDING_KINDS
from fleetctl.health.network.across_nodes import problems_across_nodes
from fleetctl.health.network.causes import causes, lost_on, ways
from fleetctl.health.network.duplicates import strangers, talking, twins
from fleetctl.health.network.of_node import OfNode, of_node, unknown_node
from fleetctl.health.network.paths import Place, crossed_places, members
from fleetctl.health.network.quality import Degraded, degraded
from fleetctl.health.network.rows import Rows
from fleetctl.health.network.unexplained import unexplained
from fleetctl.health.remedies import steps
from fleetctl.model.expectations import ExpectedReach
from fleetctl.model.facts import NodeFacts
from fleetctl.model.questions import Depth
from fleetctl.model.status import Fix, Problem
from fleetctl.model.topology import Node

ASKED_SINCE = timedelta(seconds=5)
"""An answer that comes so long after a node was lost was asked for after that."""


class SecondWay(Struct, frozen=True):
    """How a node that does not answer directly is reached."""

    via: str
    """The node in between."""
    why: str
    """What the direct way says, as a clause."""


class Root(Struct, frozen=True):
    """A problem, and the findings behind it, which a repair has to fix."""

    problem: Problem
    findings: tuple[Finding, ...] = ()


class Diagnosis(Struct, frozen=True):
    """What is known of the fleet's network."""

    rows: Mapping[str, Rows]
    roots: tuple[Root, ...]
    behind: Mapping[str, tuple[str, ...]]
    """By lost node: the nodes that cannot reach an address because it forwards for them."""
    elsewhere: Mapping[str, tuple[str, ...]]
    """By lost node: where it still answers other nodes: "mini2 at 10.10.0.1 on fabric"."""
    explained: Mapping[str, str]
    """By lost node: its proxy jump, if that is lost too."""
    degraded: frozenset[Degraded]
    """The links that work, but badly."""
    broken: frozenset[ExpectedReach]
    """The ways that a finding breaks."""


def diagnose(
    judged: Judged,
    facts: Mapping[str, NodeFacts],
    lost: Mapping[str, LinkError],
    depth: Depth,
    standing: frozenset[Degraded] = frozenset(),
    second_ways: Mapping[str, SecondWay] | None = None,
    lost_at: Mapping[str, datetime] | None = None,
) -> Diagnosis:
    """Explain all that is wrong with the fleet's network.

    :param facts: of the nodes that answered.
    :param lost: the nodes that could not be asked, with the reason.
    :param standing: the links that worked badly before.
    :param second_ways: of the nodes that were not reached directly.
    :param lost_at: when watched nodes were lost: what others heard of them before is of no use.
    """
    diagnosis = _Diagnosis(judged, facts, lost, depth, second_ways or {}, lost_at or {})
    return diagnosis.result(standing)


class _Diagnosis:
    def __init__(
        self,
        judged: Judged,
        facts: Mapping[str, NodeFacts],
        lost: Mapping[str, LinkError],
        depth: Depth,
        second_ways: Mapping[str, SecondWay],
        lost_at: Mapping[str, datetime],
    ) -> None:
        self.second_ways = second_ways
        self.lost_at = lost_at
        self.judged = judged
        self.fleet = judged.fleet
        self.expectations = judged.expectations
        self.facts = facts
        self.lost = lost
        self.own = {
            name: of_node(judged, node, facts[name], depth)
            if name in facts
            else unknown_node(judged, node, self._why(node))
            for name, node in self.fleet.nodes.items()
        }
        self.rows = {name: own.rows for name, own in self.own.items()}
        self.found = [finding for own in self.own.values() for finding in own.found]
        self.told = {name: own.told for name, own in self.own.items() if own.told}
        told = tuple(self.told.values())
        self.twins = judged.of("twins", told, lambda: tuple(twins(self.fleet, self.told)))
        self.twin_addresses = {address for twin in self.twins for address in twin.found}
        self.found = [*(f for f in self.found if not self._told_as_twin(f)), *self.twins]
        self.hit: dict[int, set[str]] = {
            place: talking(self.expectations, finding)
            for place, finding in enumerate(self.found)
            if finding.twin_of
        }
        """By index in ``found``: the other nodes that the finding affects."""
        self.behind: dict[str, set[str]] = {}

    def _told_as_twin(self, finding: Finding) -> bool:
        """Whether the node lacks its own address because it has another node's there."""
        return finding.code == ADDRESS_MISSING.code and any(
            (twin.node, twin.network, twin.address)
            == (finding.node, finding.network, finding.address)
            for twin in self.twins
        )

    def _why(self, node: Node) -> str:
        if node.connection == "none":
            return "cannot be logged into (connection: none)"
        error = self.lost.get(node.name)
        return error.reason if error else "not asked"

    def result(self, standing: frozenset[Degraded]) -> Diagnosis:
        elsewhere = self._elsewhere()
        merged = self._cables(elsewhere)
        broken = self._broken()
        bad = dict(degraded(self.judged, self.facts, broken, standing))
        silent = list(
            self._unexplained(merged, {d.place for d in bad if d.code == PACKET_LOSS.code})
        )
        roots = [*self._roots(merged)]
        roots += [Root(p) for p in unexplained(self.fleet, self.expectations, self.facts, silent)]
        roots += [Root(p) for p in bad.values()]
        roots += [Root(p) for p in self._not_isolated()]
        roots += [Root(p) for p in self._second_ways(silent)]
        roots += [Root(p) for p in self._no_internet()]
        roots += [root for name, own in self.own.items() for root in self._warned(name, own)]
        roots += self._across_nodes()
        roots += [
            Root(p) for p in strangers(self.judged, self.told, self.facts, self.twin_addresses)
        ]
        return Diagnosis(
            rows=self.rows,
            roots=tuple(roots),
            behind={name: self._ordered(nodes) for name, nodes in self.behind.items()},
            elsewhere=elsewhere,
            explained=self._jumps(),
            degraded=frozenset(bad),
            broken=broken,
        )

    # what follows from something else

    def _elsewhere(self) -> dict[str, tuple[str, ...]]:
        """Lost nodes that still answer others: their SSH or one network failed, not the machine."""
        answers: dict[str, list[str]] = {}
        for name, rows in self.rows.items() if self.lost else ():
            for row in rows.reachability:
                to = row.expected
                if to.peer not in self.lost or to.to in self.twin_addresses:
                    continue
                if row.observed and self._heard_since(name, to):
                    answers.setdefault(to.peer, []).append(f"{name} at {to.to} on {to.network}")
        return {name: tuple(askers) for name, askers in answers.items()}

    def _heard_since(self, name: str, to: ExpectedReach) -> bool:
        """Whether a node heard another one after that was lost: of a node that is watched, echoes
        of before are kept, and one or two that are lost are forgiven."""
        since = self.lost_at.get(to.peer)
        if since is None:
            return True
        told = self.facts[name]
        echo = told.network.echoes.get(to.to)
        heard = (echo is not None and echo.received) or told.network.answers_tcp.get(to.to)
        return bool(heard) and told.measured_at - since >= ASKED_SINCE

    def _jumps(self) -> dict[str, str]:
        """Lost nodes that are reached through another lost node, with that node."""
        through = {}
        for name in self.lost:
            jump = self.fleet.nodes[name].ssh.proxy_jump
            if jump in self.lost:
                through[name] = str(jump)
        return through

    def _cables(self, elsewhere: Mapping[str, tuple[str, ...]]) -> dict[int, int | None]:
        """Both ends of a cable lose their carrier when it is out, or when one end has no power.

        :returns: index of a finding to the index of the one that is reported in its place; None if
            the loss of the other end's node is reported instead.
        """
        merged: dict[int, int | None] = {}
        downs = {
            (f.node, f.network.name): place
            for place, f in enumerate(self.found)
            if f.code == INTERFACE_DOWN.code and f.network
        }
        for (name, network), place in downs.items():
            others = [n for n in self._members(network) if n != name]
            finding = self.found[place]
            if not others or not finding.enabled:
                continue
            if len(others) == 1 and others[0] in self.lost and others[0] not in elsewhere:
                merged[place] = None
            elif all((other, network) in downs for other in others):
                first = min((name, *others), key=self._blame_order)
                if first != name:
                    merged[place] = downs[first, network]
        return merged

    def _blame_order(self, name: str) -> tuple[bool, bool, int]:
        """Sort key for the end at which a dead cable is reported.

        First the node with an interface that is switched off, then those that are no gateway, since
        they have only this cable, then the order of nodes.yaml.
        """
        switched_off = any(f.node == name and not f.enabled for f in self.found)
        return (
            not switched_off,
            name in self.expectations.forwarding,
            list(self.fleet.nodes).index(name),
        )

    def _members(self, network: str) -> list[str]:
        return [n.name for n in self.fleet.nodes.values() if network in n.networks]

    def _broken(self) -> frozenset[ExpectedReach]:
        """The ways that a finding breaks."""
        broken = set()
        for reach, way in ways(self.judged).items() if self.found else ():
            if next(causes(way, self.found), None) is not None:
                broken.add(reach)
        return frozenset(broken)

    def _unexplained(
        self, merged: Mapping[int, int | None], lossy: set[Place]
    ) -> Iterator[ExpectedReach]:
        """The unanswered pings that no finding explains; the others count as effects of theirs.

        :param lossy: where packets are lost, by the paths on which some came back.
        """
        for name, rows in self.rows.items():
            for row in rows.reachability:
                reach = row.expected
                if not (reach.expected and row.observed is False):
                    continue
                way = ways(self.judged)[reach]
                explained = False
                for place in causes(way, self.found):
                    explained = True
                    stand_in = merged.get(place, place)
                    if stand_in is not None and name != self.found[stand_in].node:
                        self.hit.setdefault(stand_in, set()).add(name)
                for station in lost_on(way, self.lost):
                    explained = True
                    if station in way.forwarders:
                        self.behind.setdefault(station, set()).add(name)
                if not explained and not (
                    lossy and lossy & crossed_places(way, members(self.fleet))
                ):
                    yield reach

    # problems

    def _roots(self, merged: Mapping[int, int | None]) -> Iterator[Root]:
        """One problem for each node and code."""
        groups: dict[tuple[str, str], list[int]] = {}
        for place, stand_in in merged.items():
            if stand_in is not None:
                self.hit.setdefault(stand_in, set()).add(self.found[place].node)
        for place, finding in enumerate(self.found):
            if place in merged:
                continue
            groups.setdefault((finding.node, finding.code), []).append(place)
        for places in groups.values():
            found = [self.found[place] for place in places]
            hit = self._ordered(node for place in places for node in self.hit.get(place, ()))
            problem = FINDING_KINDS[found[0].code].of(self.fleet, found, hit)
            yield Root(self._with_fix(problem, found), tuple(found))

    def _warned(self, name: str, own: OfNode) -> tuple[Root, ...]:
        if not own.warnings:
            return ()

        def make() -> tuple[Root, ...]:
            return tuple(
                Root(self._with_fix(problem, found), found) for problem, found in own.warnings
            )

        return self.judged.of(("warned", name), (own.warnings, self.facts[name]), make)

    def _with_fix(self, problem: Problem, found: Sequence[Finding]) -> Problem:
        name = problem.node
        if name is None or name not in self.facts:
            return problem
        plan = [s for f in found for s in steps(self.fleet, f, self.facts[name])]
        if not plan:
            return problem
        commands = tuple(dict.fromkeys(step.command for step in plan))
        return replace(problem, fix=Fix(commands, name, tuple(dict.fromkeys(plan))))

    def _ordered(self, names: Iterable[str]) -> tuple[str, ...]:
        chosen = set(names)
        return tuple(name for name in self.fleet.nodes if name in chosen)

    def _misrouted(self, name: str) -> bool:
        """Whether a wrong route of the node is reported already."""
        codes = (DEFAULT_ROUTE_STOLEN.code, ROUTE_WRONG_GATEWAY.code)
        return any(f.node == name and f.code in codes for f in self.found)

    def _not_isolated(self) -> Iterator[Problem]:
        for name, rows in self.rows.items():
            reached = [
                r.expected for r in rows.reachability if not r.expected.expected and r.observed
            ]
            if reached and not self._misrouted(name):
                yield NOT_ISOLATED.problem(
                    name,
                    targets=", ".join(f"{r.to} ({r.peer} on {r.network})" for r in reached),
                    evidence=f"ping: answers from {', '.join(str(r.to) for r in reached)}",
                )

    def _across_nodes(self) -> tuple[Root, ...]:
        def make() -> tuple[Root, ...]:
            return tuple(Root(p) for p in problems_across_nodes(self.fleet, self.told))

        return self.judged.of("across nodes", tuple(self.told.values()), make)

    def _second_ways(self, silent: Sequence[ExpectedReach]) -> Iterator[Problem]:
        """The nodes whose direct way is silent, unless a problem of a control network tells why."""
        told = {f.node for f in self.found if f.network and f.network.control}
        for reach in silent:
            if self.fleet.networks[reach.network].control:
                told |= {reach.node, reach.peer}
        for name, way in self.second_ways.items():
            if name not in told and way.via not in self.second_ways:
                yield SSH_SECOND_WAY.problem(
                    name, via=way.via, reason=way.why, evidence=f"ssh by way of {way.via} answers"
                )

    def _no_internet(self) -> Iterator[Problem]:
        address = self.fleet.internet
        if address is None:
            return
        asked = {
            name: facts.network.heard(address)
            for name, facts in self.facts.items()
            if address in facts.network.echoes
        }
        offline = [n for n, heard in asked.items() if not heard and not self._misrouted(n)]
        if len(offline) < len(asked):  # a node that is not reached directly is cut off from more
            offline = [name for name in offline if name not in self.second_ways]
        evidence = f"ping {address}: no answer"
        if len(offline) > 1 and len(offline) == len(asked):
            yield NO_INTERNET.problem(
                None,
                which="no node reaches",
                address=address,
                why="the router or its uplink is down",
                affects=self._ordered(offline),
                evidence=evidence,
            )
            return
        for name in offline:
            network = self.facts[name].network
            lacks = network.routes is not None and not routing.defaults(network)
            yield NO_INTERNET.problem(
                name,
                which=f"{name} does not reach",
                address=address,
                why="it has no default route" if lacks else "its default route is as it should be",
                evidence=evidence,
            )
