"""A simulated network of machines that route packets as kernels do, to break and diagnose.

Unlike the lab it needs no real kernels, so every fault, alone and in pairs, on every node, is tried
in seconds. Nothing here knows the expected diagnosis.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from random import Random

from msgspec.structs import replace

from fleetctl.errors import ConnectTimedOut, LinkError
from fleetctl.health.assess import Checked, assess
from fleetctl.health.contact import Contact, Contacts, Key, contacts
from fleetctl.link.neighbours import neighbours, routes
from fleetctl.model.expectations import derive
from fleetctl.model.facts import NetworkFacts, Reliability, TcpConnection
from fleetctl.model.jobs import Instance, Job
from fleetctl.model.look import Look
from fleetctl.model.network import Echo, EchoRound, Interface, Route, RouteTaken
from fleetctl.model.node_status import SystemStatus
from fleetctl.model.questions import Depth
from fleetctl.model.setup import NetworkSetup, Profile, ProfileRoute
from fleetctl.model.topology import Fleet
from fleetctl.observe.questions import questions
from tests.health.facts import PID, facts, listener, pane, record
from tests.launch.jobs import job as made_job

ROUTER = IPv4Address("192.168.1.1")
ANY = IPv4Network("0.0.0.0/0")
HOPS = 8
MOST_NEIGHBOURS = 3
ECHOES = 10
NAMES = {"wifi": "wlan0", "fabric": "thunderbolt0"}


@dataclass
class Host:
    """One machine's state; every field may be broken."""

    addresses: dict[str, IPv4Address]
    routes: dict[IPv4Network, IPv4Address]
    forwarding: bool
    powered: bool = True
    carrier: dict[str, bool] = field(default_factory=dict)
    enabled: dict[str, bool] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    prefixes: dict[str, int] = field(default_factory=dict)
    """By network: the mask of the machine's address there, where it is another than the
    network's."""
    twins: dict[str, IPv4Address] = field(default_factory=dict)
    """By network: another machine's address, which this one has as well."""
    stolen: tuple[IPv4Address, str] | None = None
    detours: dict[IPv4Network, tuple[IPv4Address | None, str]] = field(default_factory=dict)
    """Routes that go before those to the same addresses: next hop, and a network or VPN."""
    stored_addresses: dict[str, IPv4Interface] = field(default_factory=dict)
    """By network: what is written down for the next boot; nothing for a network with DHCP."""
    stored_routes: dict[IPv4Network, IPv4Address] = field(default_factory=dict)
    resting: set[str] = field(default_factory=set)
    """Networks with a profile that does not come up by itself."""
    stealth: bool = False
    """It answers no ping; its SSH port answers."""
    loses: dict[str, float] = field(default_factory=dict)
    """By network: of the echoes that cross its link there, the share that is lost."""
    delays_ms: dict[str, float] = field(default_factory=dict)
    """By network: by how much its link there delays a packet."""

    def up(self, network: str) -> bool:
        return (
            self.powered
            and network in self.addresses
            and self.carrier.get(network, True)
            and self.enabled.get(network, True)
        )


@cache
def _interface(address: IPv4Address, length: int) -> IPv4Interface:
    """Making one takes longer than all else that a packet's way is found by."""
    return IPv4Interface((address, length))


def needing_all(fleet: Fleet) -> Job:
    """A job that needs the machines that cannot be logged into."""
    mute = [name for name, node in fleet.nodes.items() if node.connection == "none"]
    return made_job({"by-hand": (mute, [])})


def reached_directly_alone(fleet: Fleet) -> Fleet:
    """``fleet`` without second ways."""
    nodes = {
        name: replace(node, ssh=replace(node.ssh, second_way=False))
        for name, node in fleet.nodes.items()
    }
    return replace(fleet, nodes=nodes)


class World:
    """The machines of a fleet, at first without faults."""

    def __init__(self, fleet: Fleet, *, as_guide: bool = False, job: Job | None = None) -> None:
        """:param job: runs, and what it starts after is connected to."""
        self.fleet = fleet
        self.job = job
        self.alone: set[str] = set()
        """Instances that have no connection to what they start after."""
        self.expectations = derive(fleet, needing_all(fleet))
        self.chance = Random(1)
        self.hosts = {
            name: Host(
                addresses=dict(node.addresses),
                routes={
                    r.to: r.via
                    for r in self.expectations.routes_of(name)
                    if not (as_guide and r.kind == "return")
                },
                forwarding=name in self.expectations.forwarding,
            )
            for name, node in fleet.nodes.items()
        }
        for host in self.hosts.values():
            host.stored_routes = dict(host.routes)
            host.stored_addresses = {
                n: self._own(host, n) for n in host.addresses if not fleet.networks[n].control
            }

    # packets

    def _way(self, host: Host, to: IPv4Address) -> tuple[IPv4Address | None, str] | None:
        """Next hop (None: directly on the link) and network, by longest prefix."""
        for cidr in sorted(host.detours, key=lambda c: -c.prefixlen):
            if to in cidr:
                return host.detours[cidr]
        ways: list[tuple[IPv4Network, IPv4Address | None, str]] = [
            (self._on_link(host, n), None, n) for n in host.addresses if n not in host.missing
        ]
        ways += [
            (cidr, via, link)
            for cidr, via in host.routes.items()
            if (link := self._link(host, via)) is not None
        ]
        fitting = [way for way in ways if to in way[0]]
        if fitting:
            _, via, network = max(fitting, key=lambda way: way[0].prefixlen)
            return via, network
        if host.stolen:
            return host.stolen
        control = next((n for n in host.addresses if self.fleet.networks[n].control), None)
        return (ROUTER, control) if control and control not in host.missing else None

    def _link(self, host: Host, via: IPv4Address) -> str | None:
        return next(
            (n for n in host.addresses if via in self._on_link(host, n) and n not in host.missing),
            None,
        )

    def _on_link(self, host: Host, network: str) -> IPv4Network:
        """What the machine takes for its link's network, by the mask of its address."""
        return self._own(host, network).network

    def _own(self, host: Host, network: str) -> IPv4Interface:
        length = host.prefixes.get(network, self.fleet.networks[network].cidr.prefixlen)
        return _interface(host.addresses[network], length)

    def _owner(self, network: str, address: IPv4Address) -> str | None:
        """Which machine answers for the address there; of two the one that must not have it."""
        twin = next(
            (n for n, h in self.hosts.items() if h.twins.get(network) == address and h.up(network)),
            None,
        )
        return twin or next(
            (
                name
                for name, host in self.hosts.items()
                if host.addresses.get(network) == address
                and host.up(network)
                and network not in host.missing
            ),
            None,
        )

    def _arrives(
        self, start: str, to: IPv4Address, crossed: list[tuple[str, str]] | None = None
    ) -> tuple[str, IPv4Address] | None:
        """The node that gets the packet, and the source address; None: it is lost.

        :param crossed: gets the links on the way, as nodes and networks.
        """
        at, source = start, None
        for _ in range(HOPS):
            host = self.hosts[at]
            if at != start and to in self._has(host):
                assert source is not None
                return at, source
            if at != start and not host.forwarding:
                return None
            way = self._way(host, to)
            if way is None or not host.up(way[1]):
                return None  # nor does a VPN carry it to another node
            via, network = way
            source = source or host.addresses[network]
            if via == ROUTER:
                # a home router has routes only to the internet and to its own link
                return ("@internet", source) if to == self.fleet.internet else None
            following = self._owner(network, via or to)
            if following is None:
                return None
            if crossed is not None:
                crossed += [(at, network), (following, network)]
            at = following
        return None

    def _has(self, host: Host) -> set[IPv4Address]:
        own = {a for n, a in host.addresses.items() if n not in host.missing}
        return own | set(host.twins.values())

    def answers(self, asker: str, to: IPv4Address) -> bool:
        """Whether an echo request arrives and its reply comes back."""
        if not self.hosts[asker].addresses and to == self.fleet.internet:
            return True  # nodes.yaml does not say on which networks it is
        if to in self.hosts[asker].twins.values():
            return True
        there = self._arrives(asker, to)
        if there is None:
            return False
        if there[0] == "@internet":
            return True
        return not self.hosts[there[0]].stealth and self._comes_back(asker, there)

    def _comes_back(self, asker: str, there: tuple[str, IPv4Address]) -> bool:
        back = self._arrives(there[0], there[1])
        return back is not None and back[0] == asker

    def answers_tcp(self, asker: str, to: IPv4Address) -> bool:
        """Whether the SSH port there answers."""
        there = self._arrives(asker, to)
        return there is not None and self._comes_back(asker, there)

    def rounds(self, asker: str, to: IPv4Address) -> tuple[EchoRound, ...]:
        """Two rounds of ten echoes to an address that answers."""
        crossed: list[tuple[str, str]] = []
        if there := self._arrives(asker, to, crossed):
            self._arrives(there[0], there[1], crossed)
        links = [(self.hosts[name], network) for name, network in crossed]
        rtt_ms = 0.1 + sum(host.delays_ms.get(network, 0.0) for host, network in links)
        passes = 1.0
        for host, network in {(id(h), n): (h, n) for h, n in links}.values():
            passes *= 1 - host.loses.get(network, 0.0)
        return tuple(
            EchoRound(
                slot, ECHOES, sum(self.chance.random() < passes for _ in range(ECHOES)), rtt_ms
            )
            for slot in range(2)
        )

    # what the nodes say

    def _facts(self, name: str, depth: Depth) -> Look:
        host, node = self.hosts[name], self.fleet.nodes[name]
        asked = questions(self.fleet, (), self.expectations, node, depth)
        interfaces = [
            Interface(
                name=self.interface(network),
                enabled=host.enabled.get(network, True),
                link=host.up(network) and self._plugged(network, name),
                addresses=self._addresses(host, network),
            )
            for network in host.addresses
        ]
        table = [
            Route(to=cidr, via=via, interface=self.interface(link), dead=not host.up(link))
            for cidr, via in host.routes.items()
            if (link := self._link(host, via))
        ]
        table += [
            Route(self._on_link(host, n), None, self.interface(n))
            for n in host.addresses
            if n not in host.missing
        ]
        table += [
            Route(cidr, via, self.interface(link)) for cidr, (via, link) in host.detours.items()
        ]
        interfaces += [
            Interface(name=link, enabled=True, link=None)
            for link in {link for _, link in host.detours.values()} - set(self.fleet.networks)
        ]
        if host.stolen:
            table.append(Route(ANY, host.stolen[0], self.interface(host.stolen[1])))
        control = next((n for n in host.addresses if self.fleet.networks[n].control), None)
        if control:
            table.append(Route(ANY, ROUTER, self.interface(control), metric=600))
        taken = {}
        for to in asked.ways:
            way = self._way(host, to)
            taken[to] = (
                RouteTaken(to, way[0], self.interface(way[1]))
                if way
                else RouteTaken(to, error="RTNETLINK answers: Network is unreachable")
            )
        echoes, rounds, ports = {}, {}, {}
        hidden = {a for h in self.hosts.values() if h.stealth for a in h.addresses.values()}
        measured = depth == "check" and any(h.loses or h.delays_ms for h in self.hosts.values())
        for to in (*asked.echoes, *asked.silent):
            came = 3 if self.answers(name, to) else 0
            echoes[to] = Echo(3, came, 0.1 if came else None)
            if to in hidden and asked.echoes.get(to):
                ports[to] = self.answers_tcp(name, to)
            if came and measured and to != self.fleet.internet:
                rounds[to] = self.rounds(name, to)
        network_facts = NetworkFacts(
            interfaces=tuple(interfaces),
            routes=tuple(table),
            taken=taken,
            neighbours=(),
            forwarding=host.forwarding,
            forwarding_persistent=True if asked.forwards else None,
            echoes=echoes,
            rounds=rounds,
            answers_tcp=ports,
        )
        setup = self._setup(host) if depth == "check" else None
        mine = self.job.on(name) if self.job else ()
        return Look(
            facts=facts(
                *(pane(i, session=self.fleet.name) for i in mine),
                *(record(i, ready=True) for i in mine),
                *(listener(str(i.listen.address), i.listen.port, PID) for i in mine if i.listen),
                system=SystemStatus(os="linux"),
                network=network_facts,
                setup=setup,
                reliability=Reliability(stealth=host.stealth),
                connections=tuple(c for i in mine for c in self._connections(i)),
            )
        )

    def _connections(self, instance: Instance) -> Iterator[TcpConnection]:
        """From the address that the way there has."""
        for need in self.job.needs(instance) if self.job else ():
            there = need.listen and self._arrives(instance.node, need.listen.address)
            if instance.name in self.alone or not need.listen or not there:
                continue
            if self.answers(instance.node, need.listen.address):
                to = need.listen
                yield TcpConnection(there[1], to.address, to.port, (PID,), 40000 + instance.rank)

    def _setup(self, host: Host) -> NetworkSetup:
        """A profile for each network, whose next hops are the profile's."""
        profiles = []
        for network in self.fleet.networks:
            stored = host.stored_addresses.get(network)
            if stored is None and network not in host.addresses:
                continue
            routes = [
                ProfileRoute(to, via, f"{to} {via}")
                for to, via in host.stored_routes.items()
                if via in self.fleet.networks[network].cidr
            ]
            profiles.append(
                Profile(
                    f"uuid-{network}",
                    f"profile-{network}",
                    self.interface(network),
                    autoconnect=network not in host.resting,
                    method="manual" if stored else "auto",
                    addresses=(str(stored),) if stored else (),
                    routes=tuple(routes),
                    never_default=stored is not None,
                )
            )
        return NetworkSetup(profiles=tuple(profiles))

    def _addresses(self, host: Host, network: str) -> tuple[IPv4Interface, ...]:
        own = () if network in host.missing else (self._own(host, network),)
        if (twin := host.twins.get(network)) is None:
            return own
        return (*own, _interface(twin, self.fleet.networks[network].cidr.prefixlen))

    def _plugged(self, network: str, name: str) -> bool:
        """A cable loses its carrier with the other end; a larger network has a switch."""
        ends = [n for n, h in self.hosts.items() if network in h.addresses]
        if len(ends) > 2 or self.fleet.networks[network].control:
            return True
        other = next((n for n in ends if n != name), None)
        return other is None or self.hosts[other].up(network)

    def interface(self, network: str) -> str:
        if network not in self.fleet.networks:
            return network  # a VPN's interface
        return NAMES.get(network) or f"eth{list(self.fleet.networks).index(network)}"

    def look(self, name: str, depth: Depth) -> Look:
        node, _host = self.fleet.nodes[name], self.hosts[name]
        if node.connection == "none":
            return Look()
        if not self.reached(name):
            error: LinkError = ConnectTimedOut(name, "no answer")
            return Look(error=error)
        if self.reached_directly(name):
            return self._facts(name, depth)
        return replace(self._facts(name, depth), via=self.via(name), bypassed="no answer")

    def reached(self, name: str) -> bool:
        """Whether SSH works, directly or through another node."""
        return self.reached_directly(name) or bool(self.via(name))

    def via(self, name: str) -> str:
        """The node through which SSH reaches ``name`` over a data network; empty: none."""
        ssh = self.fleet.nodes[name].ssh
        if not ssh.second_way:
            return ""
        jump = ssh.proxy_jump
        lost = jump and not self.reached_directly(jump)
        if jump and lost and self.via(jump) and self.answers(jump, IPv4Address(ssh.host)):
            return jump
        near = neighbours(self.fleet, routes(self.expectations), name)
        direct = [n for n in near if self.reached_directly(n.node)][:MOST_NEIGHBOURS]
        for one in direct:
            there = self._arrives(one.node, one.address)
            if there and there[0] == name and self._comes_back(one.node, there):
                return one.node
        return ""

    def reached_directly(self, name: str) -> bool:
        """Whether SSH works over the control network, or through the proxy jump."""
        host, node = self.hosts[name], self.fleet.nodes[name]
        if jump := node.ssh.proxy_jump:
            return self.reached_directly(jump) and self.answers(jump, IPv4Address(node.ssh.host))
        control = [n for n in host.addresses if self.fleet.networks[n].control]
        return host.powered and (not control or any(host.up(n) for n in control))

    def check(self, depth: Depth = "check") -> Checked:
        looks = {name: self.look(name, depth) for name in self.hosts}
        known: dict[Key, Contact] = {}
        for now_s in (0.0, 20.0) if self.job else ():  # twice the same
            for name, look in looks.items():
                if self.job and look.facts:
                    known |= contacts(known, self.job, name, look.facts, now_s)
        return assess(
            self.fleet,
            self.job,
            self.expectations,
            looks,
            duration_s=1.0,
            depth=depth,
            contacts=Contacts(known),
        )

    def errors(self, depth: Depth = "check") -> set[tuple[str, str | None]]:
        problems = self.check(depth).status.problems
        return {(p.code, p.node) for p in problems if p.severity == "error"}
