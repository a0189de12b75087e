"""Problems of the port on which an instance must listen. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from ipaddress import IPv4Address

from fleetctl.health.kinds.instances import LISTEN_EXPOSED, PORT_IN_USE, PORT_WRONG_ADDRESS
from fleetctl.health.sockets import EVERY_IPV4, own_pids, own_sockets, satisfies, strangers
from fleetctl.model.facts import Listener, NodeFacts
from fleetctl.model.jobs import Instance, Job
from fleetctl.model.status import Fix, Problem
from fleetctl.model.topology import Fleet

Taken = tuple[Instance, Problem, tuple[str, str]]
"""An instance whose port is taken, the problem, and the job and the name of the instance that has
the port."""


def port_problem(instance: Instance, facts: NodeFacts, hit: Sequence[str]) -> Problem | None:
    """The instance has its port elsewhere, or another process has it.

    :param hit: the instance, and those that wait for it.
    """
    listen = instance.listen
    sockets = own_sockets(instance, facts, own_pids(instance, facts))
    if listen is None or sockets is None:
        return None
    on_port = [one for one in sockets if one.port == listen.port]
    if on_port and not any(satisfies(one, listen) for one in on_port):
        return PORT_WRONG_ADDRESS.problem(
            instance.node,
            instance=instance.name,
            bound=on_port[0],
            listen=listen,
            evidence=f"listening sockets of its processes: {', '.join(map(str, sockets))}",
            affects=hit,
        )
    if taken := strangers(instance, facts.listeners, sockets):
        return port_in_use(instance, taken[0], facts, hit)
    return None


def port_in_use(
    instance: Instance, taken: Listener, facts: NodeFacts | None, hit: Sequence[str]
) -> Problem:
    """Another process has the instance's port; it is named, never ended.

    :param facts: tell whether it is another instance of this fleet.
    :param hit: the instance, and those that wait for it.
    """
    pid = f" (pid {taken.pids[0]})" if taken.pids else ""
    owner = f"{taken.process or 'a process of another user'}{pid}"
    fix = None
    if facts and (ours := instance_of(taken, facts)):
        job, name = ours
        owner = f"{name} of job {job}{pid}"
        fix = Fix((f"fleetctl --job {job} stop {name}",), "controller")
    return PORT_IN_USE.problem(
        instance.node,
        port=taken.port,
        owner=owner,
        listener=taken,
        instance=instance.name,
        evidence=f"{taken} {owner}",
        affects=hit,
        fix=fix,
    )


def ports_taken(
    chosen: Sequence[Instance], facts: Mapping[str, NodeFacts], running: Collection[str]
) -> Iterator[Taken]:
    """Those of ``chosen`` whose port another instance of the fleet has.

    :param running: the names of those that run already.
    """
    for instance in chosen:
        told = facts.get(instance.node)
        if told is None or instance.command is None or instance.name in running:
            continue
        own = own_sockets(instance, told, own_pids(instance, told)) or ()
        for taken in strangers(instance, told.listeners, own):
            if ours := instance_of(taken, told):
                yield instance, port_in_use(instance, taken, told, (instance.name,)), ours
                break


def instance_of(listener: Listener, facts: NodeFacts) -> tuple[str, str] | None:
    """The job and the name of the instance of this fleet that has ``listener``."""
    runs = {pane.run: (pane.job, pane.instance) for pane in facts.panes or ()}
    runs |= {record.run: key for key, record in facts.records.items()}
    for run, pids in (facts.runs or {}).items():
        if run in runs and set(pids).intersection(listener.pids):
            return runs[run]
    return None


def exposed(fleet: Fleet, job: Job, instance: Instance, facts: NodeFacts) -> Problem | None:
    """The instance also accepts connections that none of those that use it needs."""
    listen = instance.listen
    network = fleet.networks.get(_network(fleet, instance) or "")
    if listen is None or network is None or network.control:
        return None
    users = [i.node for i in job.instances if instance.service in i.after]
    if any(not _over(fleet, user, network.name) for user in users if user != instance.node):
        return None
    others = {
        str(address.ip)
        for interface in facts.network.interfaces or ()
        for address in interface.addresses
        if interface.up and not address.ip.is_loopback and address.ip not in network.cidr
    }
    for one in own_sockets(instance, facts, own_pids(instance, facts)) or ():
        if one.port != listen.port:
            continue
        elsewhere = others if one.address in EVERY_IPV4 else others & {one.address}
        if elsewhere:
            where = ", ".join(_named(fleet, address) for address in sorted(elsewhere))
            return LISTEN_EXPOSED.problem(
                instance.node,
                instance=instance.name,
                bound=one,
                elsewhere=where,
                network=network.name,
                listen=listen,
                evidence=f"listening socket of its processes: {one}",
            )
    return None


def _network(fleet: Fleet, instance: Instance) -> str | None:
    listen = instance.listen
    return (listen.network or fleet.network_of(listen.address)) if listen else None


def _over(fleet: Fleet, node: str, network: str) -> bool:
    """Whether ``node`` is on ``network`` or has a way to it."""
    return network in fleet.nodes[node].networks or network in fleet.nodes[node].via


def _named(fleet: Fleet, address: str) -> str:
    network = fleet.network_of(IPv4Address(address))
    return f"{address} ({network})" if network else address
