"""What must be true of a fleet (docs/nodes-yaml.md, "What is derived")."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network
from itertools import islice, pairwise
from typing import Literal, TypeVar

from msgspec import Struct

from fleetctl.model.jobs import Job
from fleetctl.model.topology import Fleet, Network, Node

RouteKind = Literal["route", "return"]

MATRIX_MEMBERS = 12
"""On networks with up to this many members all pairs are pinged; on larger ones what is needed."""
FORBIDDEN_ASKED = 2
"""How many addresses of a larger network that a node must not reach are pinged."""


class ExpectedRoute(Struct, frozen=True):
    """``node`` must reach ``to`` through ``via``, an address of ``gateway``."""

    node: str
    to: IPv4Network
    network: str
    """The name of the network ``to``."""
    via: IPv4Address
    gateway: str
    kind: RouteKind


class ExpectedReach(Struct, frozen=True):
    """``node`` must (or must not) get an answer from ``to``, an address of ``peer``."""

    node: str
    to: IPv4Address
    peer: str
    network: str
    expected: bool
    optional: bool = False
    """``peer`` cannot be logged into and the job has nothing there: it may be asleep or away."""


class Expectations(Struct, frozen=True, dict=True):
    """Everything derived from one nodes.yaml, in the order of its nodes."""

    routes: tuple[ExpectedRoute, ...]
    forwarding: frozenset[str]
    """Nodes that must forward IPv4 packets, now and after a reboot."""
    reach: tuple[ExpectedReach, ...]

    def routes_of(self, node: str) -> tuple[ExpectedRoute, ...]:
        return self._routes_by_node.get(node, ())

    def reach_of(self, node: str) -> tuple[ExpectedReach, ...]:
        return self._reach_by_node.get(node, ())

    @cached_property
    def _routes_by_node(self) -> Mapping[str, tuple[ExpectedRoute, ...]]:
        return _by_node(self.routes)

    @cached_property
    def _reach_by_node(self) -> Mapping[str, tuple[ExpectedReach, ...]]:
        return _by_node(self.reach)


_Expected = TypeVar("_Expected", ExpectedRoute, ExpectedReach)


def _by_node(expected: Iterable[_Expected]) -> dict[str, tuple[_Expected, ...]]:
    found: dict[str, list[_Expected]] = {}
    for one in expected:
        found.setdefault(one.node, []).append(one)
    return {node: tuple(its) for node, its in found.items()}


def derive(fleet: Fleet, job: Job | None = None) -> Expectations:
    """Derive routes, return routes, forwarding and reachability of ``fleet``.

    :param job: decides which members have to be awake.

    The config reader must have accepted ``fleet``: every ``via`` leads to its network, hop by hop
    through neighbours.
    """
    routes: dict[tuple[str, IPv4Network], ExpectedRoute] = {}
    returns: list[ExpectedRoute] = []
    answered: set[tuple[str, str, tuple[str, ...]]] = set()

    forwarding = {name for name, node in fleet.nodes.items() if node.gateway}
    for node in fleet.nodes.values():
        for network_name in node.via:
            target = fleet.networks[network_name]
            chain = _chain(fleet, node, network_name)
            forwarding.update(chain)
            there = _route(fleet, node.name, target, chain[0], "route")
            routes[node.name, there.to] = there
            home = _home(fleet, node, chain)
            if (home.name, network_name, tuple(chain)) not in answered:
                answered.add((home.name, network_name, tuple(chain)))
                returns.extend(_returns(fleet, home, target, chain))
    for back in returns:  # a route that the user chose has priority over a derived one
        routes.setdefault((back.node, back.to), back)

    places = {name: place for place, name in enumerate(fleet.nodes)}
    ordered = sorted(routes.values(), key=lambda r: places[r.node])
    return Expectations(
        routes=tuple(ordered),
        forwarding=frozenset(forwarding),
        reach=tuple(_reach(fleet, ordered, job)),
    )


def has_internet(fleet: Fleet, node: Node) -> bool:
    """Whether ``node`` must reach the internet: it is on a control network, which leads there.

    A node that is only on cluster networks need not.
    """
    if fleet.internet is None or node.connection == "none":
        return False
    controls = [n.name for n in fleet.networks.values() if n.control]
    return not controls or not node.networks or any(n in node.networks for n in controls)


def sample(fleet: Fleet, network: str, node: str) -> IPv4Address:
    """An address on ``network``, to ask ``node`` for its route there."""
    peers = (
        peer.addresses[network]
        for peer in fleet.nodes.values()
        if network in peer.addresses and peer.name != node
    )
    return next(peers, fleet.networks[network].cidr[1])


def unaddressed(fleet: Fleet, node: Node) -> Iterator[tuple[str, str]]:
    """Nodes that ``node`` must reach, each with the network, at addresses that are not known yet:
    DHCP gives them. Nodes that cannot be asked are left out; of many on one network there are the
    first."""
    if node.connection == "none":
        return
    for network in (*node.networks, *node.via):
        yield from islice(
            (
                (peer.name, network)
                for peer in fleet.nodes.values()
                if peer is not node and peer.connection != "none"
                if network in peer.leased and network not in peer.addresses
            ),
            MATRIX_MEMBERS,
        )


def _chain(fleet: Fleet, node: Node, network: str) -> list[str]:
    """The gateways between ``node`` and ``network``, nearest first; the last one is on it."""
    chain = [node.via[network]]
    while network not in fleet.nodes[chain[-1]].addresses:
        hop = fleet.nodes[chain[-1]].via[network]
        if hop in chain:
            raise ValueError(f"via of {node.name} to {network} runs in a circle at {hop}")
        chain.append(hop)
    return chain


def _route(fleet: Fleet, node: str, to: Network, gateway: str, kind: RouteKind) -> ExpectedRoute:
    link = fleet.shared_network(node, gateway)
    if link is None:
        raise ValueError(f"{node} and its gateway {gateway} share no network")
    return ExpectedRoute(
        node, to.cidr, to.name, fleet.nodes[gateway].addresses[link.name], gateway, kind
    )


def _home(fleet: Fleet, node: Node, chain: list[str]) -> Network:
    """The network from which ``node`` sends through ``chain``."""
    home = fleet.shared_network(node.name, chain[0])
    if home is None:
        raise ValueError(f"{node.name} and its gateway {chain[0]} share no network")
    return home


def _returns(
    fleet: Fleet, home: Network, target: Network, chain: list[str]
) -> Iterator[ExpectedRoute]:
    """Nodes that answer one that sends from ``home`` need a route back there."""
    for nearer, farther in pairwise(chain):
        if home.name not in fleet.nodes[farther].networks:
            yield _route(fleet, farther, home, nearer, "return")
    last = chain[-1]
    back = fleet.nodes[last].addresses[target.name]
    for peer in fleet.nodes.values():
        on_target = target.name in peer.networks and home.name not in peer.networks
        if on_target and peer.name not in chain and peer.connection != "none":
            yield ExpectedRoute(peer.name, home.cidr, home.name, back, last, "return")


def _reach(fleet: Fleet, routes: list[ExpectedRoute], job: Job | None) -> Iterator[ExpectedReach]:
    """Which nodes must, and which must not, get an answer from which addresses.

    On small networks these are all pairs. On larger ones their number grows with the nodes, not
    with the square: a node pings its gateways, the addresses to which its instances connect, and
    the next node in nodes.yaml; of a network that it must not reach, only the first addresses.
    """
    members = {
        name: [n for n in fleet.nodes.values() if name in n.addresses] for name in fleet.networks
    }
    wanted = _wanted(fleet)
    for place, node in enumerate(fleet.nodes.values()):
        if node.connection == "none":
            continue
        routed = {r.network for r in routes if r.node == node.name}
        for network in fleet.networks.values():
            others = [peer for peer in members[network.name] if peer.name != node.name]
            expected = network.name in node.networks or network.name in node.via
            if not expected and (
                not node.networks  # nodes.yaml does not say on which networks it is
                or network.control
                or network.name in routed
            ):
                continue
            if len(others) >= MATRIX_MEMBERS:
                others = (
                    _needed(node, network.name, others, place, wanted)
                    if expected
                    else others[:FORBIDDEN_ASKED]
                )
            for peer in others:
                to = peer.addresses[network.name]
                by_hand = peer.connection == "none" and not (job and job.on(peer.name))
                spare = by_hand or peer.elsewhere
                yield ExpectedReach(node.name, to, peer.name, network.name, expected, spare)


def _needed(
    node: Node,
    network: str,
    others: list[Node],
    place: int,
    wanted: frozenset[tuple[str, IPv4Address]],
) -> list[Node]:
    gateways = set(node.via.values())
    following = others[place % len(others)]
    return [
        peer
        for peer in others
        if peer is following
        or peer.name in gateways
        or (node.name, peer.addresses[network]) in wanted
    ]


def _wanted(fleet: Fleet) -> frozenset[tuple[str, IPv4Address]]:
    """Pairs of a node and an address to which one of its instances connects."""
    return frozenset(
        (instance.node, address)
        for job in fleet.jobs.values()
        for instance in job.instances
        for address in job.used_by(instance)
    )
