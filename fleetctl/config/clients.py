"""Warnings about services that what starts after them cannot reach."""

from __future__ import annotations

from fleetctl.config.report import Report, choices
from fleetctl.model.endpoints import best_network
from fleetctl.model.jobs import Instance, Job, Listen
from fleetctl.model.topology import Fleet, Node


def check_clients(fleet: Fleet, report: Report) -> None:
    """Warn of each ``listen`` that an instance on another node needs and cannot reach.

    Left out are nodes without addresses, for nodes.yaml does not say on which networks they are,
    and those with an instance of their own to ask.
    """
    for job in fleet.jobs.values():
        _loopback(job, report)
        for name, service in job.services.items():
            for needed in service.after:
                cut_off: dict[str, Instance] = {}
                own = {i.node for i in job.services[needed].instances}
                for instance in (i for i in service.instances if i.node not in own):
                    for need in job.services[needed].instances:
                        if not _reaches(fleet, instance, need):
                            cut_off.setdefault(instance.node, need)
                if cut_off:
                    need = next(iter(cut_off.values()))
                    path = ("jobs", job.name, "services", name, "after")
                    report.warning(
                        path,
                        f"service {name!r} starts after {needed!r}, but {choices(cut_off)} cannot "
                        f"reach {_where(fleet, need)}: it is not on that network and has no via "
                        "to it",
                    )


def _loopback(job: Job, report: Report) -> None:
    """Warn of services that only their own node reaches, and others need."""
    for name, service in job.services.items():
        inside = {i.node: i for i in service.instances if _inside(i)}
        clients = [
            client.name
            for client in job.instances
            if inside and name in client.after and client.node not in inside
        ]
        if clients:
            listen = next(iter(inside.values())).listen
            report.warning(
                ("jobs", job.name, "services", name, "listen"),
                f"service {name!r} listens on {listen}, which only its own node reaches, and is "
                f"needed on other nodes, by {choices(dict.fromkeys(clients))}: name a network, "
                f"such as 'NETWORK:{listen.port if listen else ''}'",
            )


def _reaches(fleet: Fleet, client: Instance, server: Instance) -> bool:
    node = fleet.nodes[client.node]
    if not server.listens or not node.networks:
        return True
    if _inside(server):
        return True  # told of the service itself
    there = fleet.nodes[server.node]
    networks = [_listening(fleet, there, one) for one in server.listens]
    return any(not names or _has_way(fleet, node, there, names) for names in networks)


def _has_way(fleet: Fleet, node: Node, there: Node, networks: list[str]) -> bool:
    direct = any(n in node.networks or n in node.via for n in networks)
    return direct or best_network(fleet, node, there, networks) is not None


def _listening(fleet: Fleet, node: Node, listen: Listen) -> list[str]:
    """The networks on which it can be reached; empty: nodes.yaml does not know."""
    if listen.address.is_unspecified:
        return list(node.networks)
    network = fleet.network_of(listen.address)
    return [network] if network else []


def _where(fleet: Fleet, server: Instance) -> str:
    networks = dict.fromkeys(
        filter(None, (fleet.network_of(one.address) for one in server.listens))
    )
    on = f" on {' or '.join(map(repr, networks))}" if networks else ""
    return f"{choices(map(str, server.listens))} of {server.name}{on}"


def _inside(instance: Instance) -> bool:
    """Whether it listens, and only where its own node reaches it."""
    return bool(instance.listens) and all(one.address.is_loopback for one in instance.listens)
