"""From the model of nodes.yaml to the blueprint of its lab. Pure."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address

from msgspec.structs import replace

from fleetctl.errors import LabError
from fleetctl.lab.blueprint import (
    CONTROLLER,
    DEFAULT_USER,
    ROUTER,
    Blueprint,
    DefaultRoute,
    Login,
    Machine,
    Port,
    Route,
    Segment,
)
from fleetctl.lab.naming import InterfaceNames
from fleetctl.lab.personality import personality
from fleetctl.model.expectations import derive
from fleetctl.model.topology import OS, Fleet, Network, Node

DEFAULT_IDENTITY = "~/.ssh/id_ed25519"
DEFAULT_KNOWN_HOSTS = "~/.ssh/known_hosts"
FIRST_UID = 20_000
LAST_RESORT = IPv4Network("10.99.99.0/24")
"""The control network of a fleet that names neither a network nor an address."""


def draw(fleet: Fleet, *, as_guide: bool = False, factory: bool = False) -> Blueprint:
    """The blueprint of a lab for ``fleet``.

    :param as_guide: leave out the return routes, which are easily forgotten.
    :param factory: build nodes as they come out of their boxes.
    :raises LabError: the fleet has something that a lab cannot build (an IPv6 or loopback SSH
        address, a control network without a free address).
    """
    plan = _Draft(fleet, as_guide=as_guide).blueprint()
    return replace(plan, factory=factory)


class _Draft:
    """The steps of :func:`draw`, and their results so far."""

    def __init__(self, fleet: Fleet, *, as_guide: bool) -> None:
        self.fleet = fleet
        self.as_guide = as_guide
        self.expectations = derive(fleet)
        self.networks: dict[str, Network] = dict(fleet.networks)
        self.local = [n.name for n in fleet.nodes.values() if n.connection == "local"]
        self.placed: dict[str, dict[str, list[IPv4Address]]] = {
            key: {} for key in (*self._own_machines(), CONTROLLER, ROUTER)
        }
        for node in fleet.nodes.values():
            for network, address in node.addresses.items():
                self._place(self._key(node.name), network, address)
        self._place_ssh_hosts()
        self._place_leases()
        self.control = self._control_networks()
        self._place_router()
        self._place_unreachable()
        self._place_controller()

    def blueprint(self) -> Blueprint:
        crowd = Counter(network for places in self.placed.values() for network in places)
        segments = {
            name: Segment(
                name=name,
                bridge=f"n{index}",
                cidr=str(network.cidr),
                kind=network.kind,
                control=name in self.control,
                cable=crowd[name] == 2 and name not in self.placed[ROUTER],
            )
            for index, (name, network) in enumerate(self.networks.items())
        }
        machines = {key: self._machine(index, key) for index, key in enumerate(self.placed)}
        return Blueprint(
            fleet=self.fleet.name,
            segments=segments,
            machines=machines,
            controller_names=tuple(self.local),
            internet=str(self.fleet.internet) if self.fleet.internet else None,
            as_guide=self.as_guide,
        )

    def _own_machines(self) -> Iterator[str]:
        return (n.name for n in self.fleet.nodes.values() if n.connection != "local")

    def _key(self, node: str) -> str:
        return CONTROLLER if node in self.local else node

    def _ssh_nodes(self) -> Iterator[Node]:
        return (n for n in self.fleet.nodes.values() if n.connection == "ssh")

    def _place(self, key: str, network: str, address: IPv4Address) -> None:
        addresses = self.placed[key].setdefault(network, [])
        if address not in addresses:
            addresses.append(address)

    def _place_ssh_hosts(self) -> None:
        """Place every SSH address, also one that is in no network of nodes.yaml."""
        for node in self._ssh_nodes():
            host = _address(node)
            if host is None or host in node.addresses.values():
                continue
            network = next((n.name for n in self.networks.values() if host in n.cidr), None)
            if network is None:
                cidr = IPv4Network((host, 24), strict=False)
                network = self._unused_name(f"control-{cidr.network_address}")
                self.networks[network] = Network(network, cidr, kind="wifi", control=True)
            self._place(node.name, network, host)

    def _place_leases(self) -> None:
        """Where DHCP gives an address: that of SSH if it is on that network, else a free one."""
        for node in self.fleet.nodes.values():
            key = self._key(node.name)
            for network in sorted(node.leased - self.placed[key].keys()):
                self._place(key, network, self._free(self.networks[network]))

    def _unused_name(self, name: str) -> str:
        while name in self.networks:
            name += "'"
        return name

    def _control_networks(self) -> list[str]:
        """Networks of SSH: as declared, else those of the SSH addresses, else the first network."""
        marked = [n.name for n in self.networks.values() if n.control]
        if marked:
            return marked
        hosts = {_address(node) for node in self._ssh_nodes() if node.ssh.proxy_jump is None}
        holding = [
            name
            for name in self.networks
            if any(hosts & set(places.get(name, ())) for places in self.placed.values())
        ]
        if holding or self.networks:
            return holding or [next(iter(self.networks))]
        network = Network("control", LAST_RESORT, kind="wifi", control=True)
        self.networks[network.name] = network
        return [network.name]

    def _place_router(self) -> None:
        for network in self.networks.values():
            if network.name in self.control or network.kind == "wifi":
                self._place(ROUTER, network.name, self._router_address(network))

    def _router_address(self, network: Network) -> IPv4Address:
        taken = self._taken(network.name)
        if network.cidr.num_addresses >= 4:
            for usual in (network.cidr[1], network.cidr[-2]):
                if usual not in taken:
                    return usual
        return self._free(network)

    def _place_unreachable(self) -> None:
        """Give nodes whose SSH host is a name an address that the controller can reach."""
        for node in self._ssh_nodes():
            if _address(node) is not None or set(self.placed[node.name]) & set(self.control):
                continue
            if node.ssh.proxy_jump is None or not self.placed[node.name]:
                network = self.networks[self.control[0]]
                self._place(node.name, network.name, self._free(network))

    def _place_controller(self) -> None:
        direct = [
            name
            for node in self._ssh_nodes()
            if node.ssh.proxy_jump is None
            for name, addresses in self.placed[node.name].items()
            if _address(node) in addresses
        ]
        for name in dict.fromkeys([*self.control, *direct]):
            if name not in self.placed[CONTROLLER]:
                self._place(CONTROLLER, name, self._free(self.networks[name]))

    def _taken(self, network: str) -> set[IPv4Address]:
        return {a for places in self.placed.values() for a in places.get(network, ())}

    def _free(self, network: Network) -> IPv4Address:
        taken = self._taken(network.name)
        # From the top down: users number their machines from the bottom up.
        for number in range(int(network.cidr[-1]) - 1, int(network.cidr[0]), -1):
            if IPv4Address(number) not in taken:
                return IPv4Address(number)
        raise LabError(
            f"network {network.name} ({network.cidr}) has no free address for the lab's router "
            "and controller",
            hint="Give it a larger cidr in nodes.yaml.",
        )

    def _machine(self, index: int, key: str) -> Machine:
        node = self.fleet.nodes.get(key)
        os: OS = (node.os if node else None) or "linux"
        declared = node.interfaces if node else {}
        names = InterfaceNames(os, declared.values())
        places = personality(os)
        ports = tuple(
            Port(
                network=network,
                interface=declared.get(network) or names.take(self.networks[network].kind),
                switch_port=f"p{index}.{list(self.networks).index(network)}",
                mac=_mac(self.fleet.name, key, network),
                addresses=tuple(f"{a}/{self.networks[network].cidr.prefixlen}" for a in addresses),
            )
            for network in self.networks
            if (addresses := self.placed[key].get(network))
        )
        routes, forwarding = self._expected(key, ports)
        if node is None:
            return Machine(
                key=key,
                hostname=(self.local or ["controller"])[0] if key == CONTROLLER else "router",
                role="controller" if key == CONTROLLER else "router",
                os=os,
                user="root",
                uid=0,
                home="/root",
                ports=ports,
                routes=routes,
                default=self._default(ports) if key == CONTROLLER else None,
                forwarding=forwarding or key == ROUTER,
            )
        user = node.ssh.user or DEFAULT_USER
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}", user):
            raise LabError(
                f"{key}: the lab cannot make an account {user!r}",
                hint="A user name holds letters, digits, '_', '-' and '.', at most 32.",
            )
        return Machine(
            key=key,
            hostname=key,
            role="ssh" if node.connection == "ssh" else "silent",
            os=os,
            user=user,
            uid=0 if user == "root" else FIRST_UID + index,
            home=places.root_home if user == "root" else f"{places.homes}/{user}",
            ports=ports,
            routes=routes,
            default=self._default(ports),
            forwarding=forwarding,
            login=self._login(node) if node.connection == "ssh" else None,
            listens=self._listens(key),
        )

    def _expected(self, key: str, ports: tuple[Port, ...]) -> tuple[tuple[Route, ...], bool]:
        own = set(self.local) if key == CONTROLLER else {key}
        routes = []
        for expected in self.expectations.routes:
            if expected.node not in own or (self.as_guide and expected.kind == "return"):
                continue
            port = next(p for p in ports if expected.via in self.networks[p.network].cidr)
            routes.append(
                Route(
                    to=str(expected.to),
                    via=str(expected.via),
                    interface=port.interface,
                    network=port.network,
                    kind=expected.kind,
                )
            )
        return tuple(routes), bool(own & self.expectations.forwarding)

    def _listens(self, key: str) -> tuple[str, ...]:
        instances = (i for job in self.fleet.jobs.values() for i in job.on(key))
        return tuple(str(listen) for i in instances for listen in i.listens)

    def _default(self, ports: tuple[Port, ...]) -> DefaultRoute | None:
        routed = [p for p in ports if p.network in self.placed[ROUTER]]
        # The control network first: it has the default routes.
        port = min(routed, key=lambda p: p.network not in self.control, default=None)
        if port is None:
            return None
        # 600 is NetworkManager's metric for Wi-Fi; a wired control network is preferred.
        metric = 600 if self.networks[port.network].kind == "wifi" else 200
        return DefaultRoute(str(self.placed[ROUTER][port.network][0]), port.interface, metric)

    def _login(self, node: Node) -> Login:
        host = _address(node)
        places = self.placed[node.name]
        reached = next((n for n in places if n in self.control), next(iter(places)))
        aliases = [name for name in node.ssh.hosts if _parsed(name) is None]
        if any(_jump_host(n.ssh.proxy_jump) == node.name for n in self._ssh_nodes()):
            aliases.append(node.name)
        return Login(
            address=str(host or places[reached][0]),
            port=node.ssh.port or 22,
            aliases=tuple(dict.fromkeys(aliases)),
            names_user=node.ssh.user is not None,
            identity_file=node.ssh.identity_file or DEFAULT_IDENTITY,
            known_hosts=node.ssh.known_hosts or DEFAULT_KNOWN_HOSTS,
        )


def _address(node: Node) -> IPv4Address | None:
    """The first SSH host that is an address; ``None`` when all are names."""
    found = [address for host in node.ssh.hosts if (address := _parsed(host)) is not None]
    address = found[0] if found else None
    if address is None:
        return None
    if isinstance(address, IPv6Address) or address.is_loopback:
        raise LabError(
            f"{node.name}: the lab cannot give a node the address {address}",
            hint="Its networks are IPv4, and loopback is each machine's own.",
        )
    return address


def _parsed(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _jump_host(proxy_jump: str | None) -> str | None:
    """The host of ``[user@]host[:port]``."""
    return proxy_jump.rpartition("@")[2].partition(":")[0] if proxy_jump else None


def _mac(*what: str) -> str:
    """Always the same for a machine and network, so that ARP caches stay right over a reboot."""
    digest = hashlib.sha256("\0".join(what).encode()).digest()
    # 02: locally administered, unicast.
    return ":".join(["02", *(f"{byte:02x}" for byte in digest[:5])])
