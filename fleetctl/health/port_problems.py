"""Problems of the port on which an instance must listen. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address

from fleetctl.health.kinds.instances import LISTEN_EXPOSED, PORT_IN_USE, PORT_WRONG_ADDRESS
from fleetctl.health.kinds.kind import listed
from fleetctl.health.sockets import EVERY_IPV4, own_pids, own_sockets, satisfies, strangers
from fleetctl.model.facts import Listener, NodeFacts
from fleetctl.model.jobs import Instance, Job, Listen
from fleetctl.model.status import Fix, Problem
from fleetctl.model.topology import Fleet


def port_problem(instance: Instance, facts: NodeFacts, hit: Sequence[str]) -> Problem | None:
    """The instance has its port elsewhere, or another process has it.

    :param hit: the instance, and those that wait for it.
    """
    sockets = own_sockets(instance, facts, own_pids(instance, facts))
    if sockets is None:
        return None
    for listen in instance.doors:
        on_port = [one for one in sockets if one.port == listen.port]
        if not on_port or any(satisfies(one, listen) for one in on_port):
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
    found = [] if instance.bind_any else list(_exposed_doors(fleet, job, instance, facts))
    if not found:
        return None
    where = sorted({address for _, _, elsewhere in found for address in elsewhere})
    bound = [str(one) for _, one, _ in found]
    return LISTEN_EXPOSED.problem(
        instance.node,
        instance=instance.name,
        bound=listed(bound),
        elsewhere=", ".join(_named(fleet, address) for address in where),
        network=listed(list(dict.fromkeys(_network(fleet, door) or "" for door, _, _ in found))),
        listen=listed([str(door) for door, _, _ in found]),
        hint=_narrowed(instance, found[0][0]),
        evidence=f"listening socket{'s'[: len(bound) - 1]} of its processes: {', '.join(bound)}",
    )


def _exposed_doors(
    fleet: Fleet, job: Job, instance: Instance, facts: NodeFacts
) -> Iterator[tuple[Listen, Listener, set[str]]]:
    """Each with the socket that takes more, and the addresses on which it does."""
    users = [i.node for i in job.instances if instance.service in i.after]
    sockets = own_sockets(instance, facts, own_pids(instance, facts)) or ()
    for door in instance.doors:
        network = fleet.networks.get(_network(fleet, door) or "")
        if network is None or network.control:
            continue
        if any(not _over(fleet, user, network.name) for user in users if user != instance.node):
            continue
        others = {
            str(address.ip)
            for interface in facts.network.interfaces or ()
            for address in interface.addresses
            if interface.up and not address.ip.is_loopback and address.ip not in network.cidr
        }
        for one in sockets:
            elsewhere = others if one.address in EVERY_IPV4 else others & {one.address}
            if one.port == door.port and elsewhere:
                yield door, one, elsewhere
                break


_OPTIONS = (
    ("http.server", "--bind"),
    ("uvicorn", "--host"),
    ("gunicorn", "--bind"),
    ("dask", "--host"),
    ("jupyter", "--ip"),
    ("tensorboard", "--host"),
    ("llama-server", "--host"),
    ("rpc-server", "--host"),
    ("ray start", "--node-ip-address"),
    ("flask", "--host"),
)
"""A word of a command line, and what its program calls the address that it binds to."""


def _narrowed(instance: Instance, listen: Listen) -> str:
    """What narrows it, by what is known of the program."""
    command = instance.command or ""
    option = next((name for word, name in _OPTIONS if word in command), "")
    given = f"`{option} {listen.address}` in its command; " if option else ""
    return f"{given}if it is meant, `bind: any`"


def _network(fleet: Fleet, listen: Listen) -> str | None:
    return listen.network or fleet.network_of(listen.address)


def _over(fleet: Fleet, node: str, network: str) -> bool:
    """Whether ``node`` is on ``network`` or has a way to it."""
    return network in fleet.nodes[node].networks or network in fleet.nodes[node].via


def _named(fleet: Fleet, address: str) -> str:
    network = fleet.network_of(IPv4Address(address))
    return f"{address} ({network})" if network else address
