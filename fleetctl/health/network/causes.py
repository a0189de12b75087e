"""Which findings explain an unanswered ping: those on the way there, and on the way back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Address
from itertools import pairwise

from fleetctl.health.finding import Finding
from fleetctl.health.judged import Judged
from fleetctl.health.kinds.network import (
    ADDRESS_DUPLICATE,
    FORWARDING_OFF,
    ROUTE_WRONG_INTERFACE,
)
from fleetctl.health.network.findings import LINK_CODES, ROUTE_CODES
from fleetctl.model.expectations import Expectations, ExpectedReach
from fleetctl.model.topology import Fleet


class Way:
    """The way of a ping and its answer: the nodes that it passes, the links that it uses and the
    routes that it needs."""

    def __init__(self, fleet: Fleet, expectations: Expectations, reach: ExpectedReach) -> None:
        self.stations: list[str] = [reach.node]
        """The nodes in order; the last one has the address."""
        self.links: list[tuple[str, str]] = []
        """Node and network, for both ends of every link."""
        self.hops: list[tuple[str, str, str]] = []
        """Two neighbours and their network, in order, on the way there."""
        self.routes: list[tuple[str, str]] = []
        """Node and the network to which it needs a route, there or back."""
        self.to = reach.to
        self.source: IPv4Address | None = None
        """The asker's address on the first link, to which the answer goes."""
        self.symmetric = True
        """Answers come back the same way, hop by hop."""
        node = fleet.nodes[reach.node]
        self.links.append((reach.peer, reach.network))  # may be a gateway's address on its far side
        if reach.network in node.networks:
            self._hop(reach.node, reach.peer, reach.network)
            self.source = node.addresses.get(reach.network)
            return
        chain = self._chain(fleet, expectations, reach)
        for here, there in pairwise([reach.node, *chain]):
            shared = fleet.shared_network(here, there)
            if shared is not None:
                self._hop(here, there, shared.name)
        if chain and chain[-1] != reach.peer:
            self._hop(chain[-1], reach.peer, reach.network)
        self._need_routes(fleet, reach)

    def _chain(self, fleet: Fleet, expectations: Expectations, reach: ExpectedReach) -> list[str]:
        """The gateways, up to the one that has the address or is its neighbour."""
        chain: list[str] = []
        here = reach.node
        while reach.network not in fleet.nodes[here].networks and here != reach.peer:
            route = next(
                (
                    r
                    for r in expectations.routes
                    if r.node == here and r.network == reach.network and r.gateway not in chain
                ),
                None,
            )
            if route is None:
                break
            chain.append(route.gateway)
            here = route.gateway
        return chain

    def _hop(self, here: str, there: str, network: str) -> None:
        self.stations.append(there)
        self.hops.append((here, there, network))
        self.links += [(here, network), (there, network)]

    def _need_routes(self, fleet: Fleet, reach: ExpectedReach) -> None:
        home = next((network for node, network in self.links if node == reach.node), "")
        self.source = fleet.nodes[reach.node].addresses.get(home)
        for station in self.stations:
            networks = fleet.nodes[station].networks
            if reach.network not in networks and station != self.stations[-1]:
                self.routes.append((station, reach.network))
            if not home or station == reach.node:
                continue
            if home in networks:
                self.links.append((station, home))  # its answer goes straight there
                self.symmetric &= station in self.stations[:2]
            else:
                self.routes.append((station, home))

    def goes_astray(self, finding: Finding) -> bool:
        """Whether ``finding``, a wrong interface, takes its packets or those of its answer."""
        if finding.node not in self.stations or finding.network is None:
            return False
        cidrs = [finding.network.cidr, *([finding.entry.to] if finding.entry else [])]
        there = finding.node != self.stations[-1] and all(self.to in c for c in cidrs)
        source = self.source if finding.node != self.stations[0] else None
        return there or (source is not None and all(source in c for c in cidrs))

    @property
    def crossed(self) -> Sequence[tuple[str, str]]:
        """The links that packets really cross: not that of an address which a gateway answers for
        on its near side."""
        return tuple(dict.fromkeys(self.links[1:]))

    @property
    def forwarders(self) -> Sequence[str]:
        return self.stations[1:-1]


def ways(judged: Judged) -> Mapping[ExpectedReach, Way]:
    """Those of all that must, or must not, be reached."""
    fleet, expectations = judged.fleet, judged.expectations
    return judged.of(
        "ways", (), lambda: {r: Way(fleet, expectations, r) for r in expectations.reach}
    )


def causes(way: Way, found: Sequence[Finding]) -> Iterator[int]:
    """The indices in ``found`` of the findings that break ``way``."""
    for number, finding in enumerate(found):
        place = (finding.node, finding.network.name if finding.network else "")
        if (
            (finding.code in LINK_CODES and place in way.links)
            or (finding.code == ADDRESS_DUPLICATE.code and _on_twin(way, finding, place))
            or (finding.code in ROUTE_CODES and place in way.routes)
            or (finding.code == ROUTE_WRONG_INTERFACE.code and way.goes_astray(finding))
            or (finding.code == FORWARDING_OFF.code and finding.node in way.forwarders)
        ):
            yield number


def _on_twin(way: Way, twin: Finding, place: tuple[str, str]) -> bool:
    """Whether a way begins or ends at the address, or at the own one that the node lacks."""
    return (twin.twin_of, place[1]) in way.links or (
        twin.address is not None and place in way.links
    )


def lost_on(way: Way, lost: Mapping[str, object]) -> list[str]:
    """The nodes on the way, after the first, that cannot be asked."""
    return [station for station in way.stations[1:] if station in lost]
