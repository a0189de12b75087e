"""Problems of the port on which an instance must listen. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address

from fleetctl.health.kinds.instances import LISTEN_EXPOSED, PORT_IN_USE, PORT_WRONG_ADDRESS
from fleetctl.health.sockets import EVERY_IPV4, lacking, own_pids, own_sockets, strangers
from fleetctl.model.endpoints import listened_on
from fleetctl.model.facts import Listener, NodeFacts
from fleetctl.model.jobs import Instance, Job, Listen
from fleetctl.model.status import Fix, Problem
from fleetctl.model.topology import Fleet, Network


def port_problem(instance: Instance, facts: NodeFacts, hit: Sequence[str]) -> Problem | None:
    """The instance has its port elsewhere, or another process has it.

    :param hit: the instance, and those that wait for it.
    """
    sockets = own_sockets(instance, facts, own_pids(instance, facts))
    if sockets is None:
        return None
    for listen in lacking(instance, sockets):
        on_port = [one for one in sockets if one.port == listen.port]
        if not on_port:
            continue
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
    if facts and (ours := _instance_of(taken, facts)):
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


def _instance_of(listener: Listener, facts: NodeFacts) -> tuple[str, str] | None:
    """The job and the name of the instance of this fleet that has ``listener``."""
    runs = {pane.run: (pane.job, pane.instance) for pane in facts.panes or ()}
    runs |= {record.run: key for key, record in facts.records.items()}
    for run, pids in (facts.runs or {}).items():
        if run in runs and set(pids).intersection(listener.pids):
            return runs[run]
    return None


def exposed(fleet: Fleet, job: Job, instance: Instance, facts: NodeFacts) -> Problem | None:
    """The instance also accepts connections that none of those that use it needs."""
    sockets = own_sockets(instance, facts, own_pids(instance, facts)) or ()
    for port in dict.fromkeys(listen.port for listen in instance.listens):
        listens = [listen for listen in instance.listens if listen.port == port]
        mine = tuple(one for one in sockets if one.port == port)
        if found := _exposed(fleet, job, instance, listens, mine, facts):
            return found
    return None


def _exposed(
    fleet: Fleet,
    job: Job,
    instance: Instance,
    listens: Sequence[Listen],
    sockets: Sequence[Listener],
    facts: NodeFacts,
) -> Problem | None:
    """The same for ``listens`` on one port, and its ``sockets`` there."""
    networks = [fleet.networks.get(listened_on(fleet, listen) or "") for listen in listens]
    wanted = [network for network in networks if network is not None and not network.control]
    if not wanted or len(wanted) < len(networks):
        return None
    users = [i.node for i in job.instances if instance.service in i.after] + [*instance.peers]
    if any(not _over(fleet, user, wanted) for user in users if user != instance.node):
        return None
    others = {
        str(address.ip)
        for interface in facts.network.interfaces or ()
        for address in interface.addresses
        if interface.up and not address.ip.is_loopback
        if not any(address.ip in network.cidr for network in wanted)
    }
    for one in sockets:
        elsewhere = others if one.address in EVERY_IPV4 else others & {one.address}
        if elsewhere:
            where = ", ".join(_named(fleet, address) for address in sorted(elsewhere))
            return LISTEN_EXPOSED.problem(
                instance.node,
                instance=instance.name,
                bound=one,
                elsewhere=where,
                network=" or ".join(network.name for network in wanted),
                listen=" and ".join(map(str, listens)),
                evidence=f"listening socket of its processes: {one}",
            )
    return None


def _over(fleet: Fleet, node: str, networks: Iterable[Network]) -> bool:
    """Whether ``node`` is on one of ``networks`` or has a way to one."""
    there = (*fleet.nodes[node].networks, *fleet.nodes[node].via)
    return any(network.name in there for network in networks)


def _named(fleet: Fleet, address: str) -> str:
    network = fleet.network_of(IPv4Address(address))
    return f"{address} ({network})" if network else address
