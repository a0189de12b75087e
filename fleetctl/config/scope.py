"""The placeholders of one instance: of its node, of itself, and of the services of its job."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import AddressValueError, IPv4Address

from msgspec import Struct, field

from fleetctl.config.placeholders import ANY_ADDRESS, NodeScope, Unfillable
from fleetctl.config.report import TreePath, choices, nearest
from fleetctl.model.endpoints import best_network, endpoint
from fleetctl.model.jobs import Listen
from fleetctl.model.late_words import interface_word, late_word, path_word
from fleetctl.model.topology import Fleet, Node

OF_INSTANCE = ("rank", "rank0", "world_size", "local", "interface")
OF_SERVICE = ("node", "host", "port", "hosts", "size")
OF_NETWORK = ("hosts", "hostfile", "interface")
"""``{hosts.NETWORK}`` and so on."""


class ServicePlace(Struct, frozen=True):
    """Where a service runs.

    :param nodes: in order of rank.
    :param listens: by node: where it listens there.
    :param network: the network that is meant where it does not listen; ``None``: not said.
    :param ports: by name: where else it listens on the first node.
    """

    nodes: tuple[str, ...]
    listens: Mapping[str, tuple[Listen, ...]]
    network: str | None = None
    ports: Mapping[str, Listen] = field(default_factory=dict)


class Scope(NodeScope, frozen=True):
    """The values of the placeholders for one instance.

    :param places: where each service of the job runs; ``None``: reported as wrong already.
    :param service: its own.
    :param after: the services that it starts after.
    :param rank: 1-based index of ``node`` among the ``world_size`` nodes of its service. With 0
        for both, nothing tells how many members any service has.
    """

    places: Mapping[str, ServicePlace | None] = field(default_factory=dict)
    service: str = ""
    after: tuple[str, ...] = ()
    rank: int = 0
    world_size: int = 0
    interfaces: dict[str, IPv4Address] = field(default_factory=dict)
    """Gets what :attr:`Instance.interfaces` is to be, as texts are filled in."""
    files: dict[str, str] = field(default_factory=dict)
    """Gets what :attr:`Instance.files` is to be."""
    over_control: dict[tuple[str, str, str], dict[str, None]] = field(default_factory=dict)
    """Gets, by its own service, that which is reached and the network: the nodes that reach it over
    a control network because there is no other."""

    def value(self, word: str) -> str | None:
        """See :meth:`NodeScope.value`."""
        if word in OF_INSTANCE:
            return self._of_instance(word)
        first, _, last = word.rpartition(".")
        if first in self.places and last in OF_SERVICE:
            return self._of_service(first, last)
        if first in OF_NETWORK:
            return self._of_network(first, last, word)
        service, _, what = first.rpartition(".")
        if service in self.places and what == "port":
            return self._named_port(service, last)
        return super().value(word)

    def words(self) -> Iterator[str]:
        """See :meth:`NodeScope.words`."""
        yield from ("node", *OF_INSTANCE)
        yield from (f"{what}.{network}" for what in OF_NETWORK for network in self.fleet.networks)
        yield from (f"{service}.{what}" for service in self.places for what in OF_SERVICE)
        for service, place in self.places.items():
            yield from (f"{service}.port.{name}" for name in (place.ports if place else ()))
        yield from super().words()

    def fill_now(self, text: str, path: TreePath) -> str:
        """As :meth:`fill`, for what is needed before the node is asked: a word that only it can
        replace is a mistake."""
        filled = self.fill(text, path)
        if (word := late_word(filled)) and not late_word(text):
            what = (
                f"{path[-1]} cannot have the {word[1:-1]}, which is only known once it is started"
            )
            self.report.mistake(path, what)
        return filled

    def hosts_on(self, network: str, word: str) -> list[str]:
        """The addresses of the service's nodes on ``network``, in order of rank.

        :raises Unfillable: one of them has none there.
        """
        place = self.places.get(self.service)
        if place is None or not self.world_size:
            self.address(self.node, network, word)  # is there such a network?
            return []
        nodes = [self.fleet.nodes[name] for name in place.nodes]
        return [self.address(node, network, word) for node in nodes]

    def host(self, service: str, name: str, what: str = "host") -> str:
        """Under which address ``service`` is reached on node ``name`` from this one: where it
        listens; else the node's address on the network that is meant; else that on the network by
        which both have a way to each other, a control network last; else its SSH host.

        :raises Unfillable: it is not on the network that is meant, and has no ``via`` to it.
        """
        place, node = self.places[service], self.fleet.nodes[name]
        assert place
        listen = self.endpoint(service, name)
        wild = any(one.address.is_unspecified for one in place.listens.get(name, ()))
        if listen is not None and not listen.address.is_unspecified:
            if wild and not place.network:
                self._note_control(service, listen.network)
            return str(listen.address)
        if place.network:
            if own := self.fleet.way_out(node, place.network):
                return str(node.addresses[own])
            if any(self.report.wrong("nodes", name, key) for key in ("addresses", "via")):
                return ANY_ADDRESS
            raise Unfillable(
                f"{{{service}.{what}}} has no value: {name!r} is neither on network "
                f"{place.network!r} nor has a via to it"
            )
        if node.name == self.node.name:
            network = min(
                node.addresses, key=lambda n: self.fleet.networks[n].control, default=None
            )
        else:
            controls = (n for n in node.addresses if self.fleet.networks[n].control)
            network = best_network(self.fleet, self.node, node) or next(controls, None)
            self._note_control(service, network)
        return str(node.addresses[network]) if network else node.ssh.host

    def endpoint(self, service: str, name: str) -> Listen | None:
        """Where ``service`` on node ``name`` is reached from this one; ``None``: it does not
        listen."""
        place = self.places[service]
        if place is None:
            return None
        server, listens = self.fleet.nodes[name], place.listens.get(name, ())
        return endpoint(self.fleet, self.node, server, listens, place.network)

    def _note_control(self, service: str, network: str | None) -> None:
        networks = self.fleet.networks
        if network is None or not networks[network].control or not self.node.networks:
            return
        if not all(one.control for one in networks.values()):
            self.over_control.setdefault((self.service, service, network), {})[self.node.name] = (
                None
            )

    def local_network(self, word: str) -> str:
        """The network by which the node reaches what the instance starts after; else its peers.

        :raises Unfillable: nothing tells.
        """
        own = self.places[self.service]
        assert own
        meant = [own.network, *(self._network_of(name) for name in self.after)]
        listens = own.listens.get(self.node.name)
        if len(own.nodes) > 1:
            meant.append(meeting(self.fleet, [self.fleet.nodes[name] for name in own.nodes]))
        meant.append(listens[0].network if listens else None)
        for network in filter(None, meant):
            if found := self.fleet.way_out(self.node, network):
                return found
        raise Unfillable(
            f"{{{word}}} has no value on {self.node.name!r}: no network that service "
            f"{self.service!r} has to do with is one that it is on or has a via to; "
            "name one by network:"
        )

    def _network_of(self, service: str) -> str | None:
        """The network by which ``service`` is reached; ``None``: nodes.yaml does not know."""
        if self.places[service] is None:
            return None
        try:
            host = self._of_service(service, "host")
            return self.fleet.network_of(IPv4Address(host))
        except (AddressValueError, Unfillable):
            return None

    def interface_on(self, network: str) -> str:
        """The word for the interface by which the node is on ``network``, where it has an
        address."""
        self.interfaces[network] = self.node.addresses[network]
        return interface_word(network)

    def file(self, name: str, text: str) -> str:
        """The word for the path of a file of the instance."""
        self.files[name] = text
        return path_word(name)

    def _of_network(self, what: str, network: str, word: str) -> str:
        if what == "interface":
            self.address(self.node, network, word)  # has it one there?
            return self.interface_on(network) if network in self.node.addresses else ""
        hosts = self.hosts_on(network, word)
        if what == "hosts":
            return ",".join(hosts)
        return self.file(f"hosts.{network}", "".join(f"{host}\n" for host in hosts))

    def _of_instance(self, word: str) -> str:
        if word == "rank0":
            return str(self.rank - 1)
        if word in ("local", "interface"):
            if self.places[self.service] is None:
                return ANY_ADDRESS
            network = self.local_network(word)
            if word == "interface":
                return self.interface_on(network)
            return str(self.node.addresses[network])
        return str(self.rank if word == "rank" else self.world_size)

    def _named_port(self, service: str, name: str) -> str:
        place = self.places[service]
        if place is None:
            return "1"
        if name not in place.ports:
            ending = nearest(name, place.ports) or f": its ports are {choices(place.ports)}"
            raise Unfillable(
                f"{{{service}.port.{name}}} has no value: service {service!r} has no port {name!r}"
                + (ending if place.ports else "")
            )
        return str(place.ports[name].port)

    def _of_service(self, service: str, what: str) -> str:
        place = self.places[service]
        if place is None:
            return {"host": ANY_ADDRESS, "hosts": ANY_ADDRESS}.get(what, "1")
        match what:
            case "node":
                return place.nodes[0]
            case "host":
                return self.host(service, place.nodes[0])
            case "hosts" | "size" if not self.world_size:
                return ""
            case "hosts":
                return ",".join(self.host(service, name, what) for name in place.nodes)
            case "size":
                return str(len(place.nodes))
        listen = self.endpoint(service, place.nodes[0])
        if listen is None:
            raise Unfillable(f"{{{service}.port}} has no value: service {service!r} has no listen")
        return str(listen.port)


def meeting(fleet: Fleet, nodes: list[Node]) -> str | None:
    """The first network to which all ``nodes`` have a way, a control network only if there is no
    other; ``None``: there is none."""
    networks = fleet.networks.values()
    common = [n for n in networks if all(fleet.way_out(node, n.name) for node in nodes)]
    data = (network for network in common if not network.control)
    found = next(data, common[0] if common else None)
    return found.name if found else None
