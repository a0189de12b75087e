"""At which of its addresses a node reaches a service on another one. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from fleetctl.model.jobs import Listen
from fleetctl.model.topology import Fleet, Node

_CONTROL = 2


def best_network(
    fleet: Fleet, client: Node, server: Node, among: Iterable[str] | None = None
) -> str | None:
    """The network on which ``client`` reaches an address of ``server``; ``None``: it has no way.

    First one that both are on, then one that is reached through a gateway; control networks last.

    :param among: in order of preference; by default all, in the order of nodes.yaml.
    """
    ranked = [
        (rank, network)
        for network in (fleet.networks if among is None else among)
        if (rank := _rank(fleet, client, server, network)) is not None
    ]
    return min(ranked, key=lambda one: one[0])[1] if ranked else None


def _rank(fleet: Fleet, client: Node, server: Node, network: str) -> int | None:
    if network not in server.addresses:
        return None
    control = _CONTROL if fleet.networks[network].control else 0
    if network in client.networks:
        return control
    # the routes for what the server sends through a gateway lead back to it as well
    back = (n for n in server.via if n in client.networks and n not in server.networks)
    if fleet.way_out(client, network) or any(fleet.way_out(server, n) == network for n in back):
        return control + 1
    return None


def endpoint(
    fleet: Fleet, client: Node, server: Node, listens: Sequence[Listen], network: str | None = None
) -> Listen | None:
    """Where ``client`` reaches what listens on ``server``; ``None``: nothing does.

    :param network: the one that is meant where it listens on all.
    """
    if client.name == server.name or not listens:
        return listens[0] if listens else None
    on: dict[str, Listen] = {}
    for listen in listens:
        for one in _narrowed(fleet, server, listen, network):
            if name := listened_on(fleet, one):
                on.setdefault(name, one)
    if best := best_network(fleet, client, server, on):
        return on[best]
    # of one that nodes.yaml has on no network it is still known that it uses the control network
    control = (one for one in listens if _is_control(fleet, listened_on(fleet, one)))
    return listens[0] if client.networks else next(control, listens[0])


def _is_control(fleet: Fleet, network: str | None) -> bool:
    return network is not None and fleet.networks[network].control


def listened_on(fleet: Fleet, listen: Listen) -> str | None:
    """The network that ``listen`` is on; ``None``: all, or none that nodes.yaml knows."""
    return listen.network or fleet.network_of(listen.address)


def _narrowed(fleet: Fleet, server: Node, listen: Listen, network: str | None) -> Iterator[Listen]:
    """``listen`` on each network; of one on all networks, on the one that is meant."""
    if not listen.address.is_unspecified:
        yield listen
        return
    meant = fleet.way_out(server, network) if network else None
    for name in (meant,) if meant else fleet.networks:
        if name in server.addresses:
            yield Listen(server.addresses[name], listen.port, name)
