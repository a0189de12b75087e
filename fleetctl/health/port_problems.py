"""Problems of the port on which an instance must listen. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Address

from msgspec import Struct

from fleetctl.health.kinds.instances import LISTEN_EXPOSED, PORT_IN_USE, PORT_WRONG_ADDRESS
from fleetctl.health.sockets import EVERY_IPV4, lacking, own_pids, own_sockets, strangers
from fleetctl.model.endpoints import listened_on
from fleetctl.model.facts import Listener, NodeFacts
from fleetctl.model.jobs import Instance, Job, Listen
from fleetctl.model.status import Fix, Problem
from fleetctl.model.topology import Fleet, Network
from fleetctl.quantities import listed

Taken = tuple[Instance, Problem, tuple[str, str]]
"""An instance whose port is taken, the problem, and the job and the name of the instance that has
the port."""


def port_problem(instance: Instance, facts: NodeFacts, hit: Sequence[str]) -> Problem | None:
    """The instance has its port elsewhere, or another process has it.

    :param hit: the instance, and those that wait for it.
    """
    if not instance.bindings:
        return None
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
    instance: Instance,
    taken: Listener,
    facts: NodeFacts | None,
    hit: Sequence[str],
    user: str = "",
) -> Problem:
    """Another process has the instance's port; it is named, never ended.

    :param facts: tell whether it is another instance of this fleet.
    :param hit: the instance, and those that wait for it.
    :param user: whose process it is, if that was asked.
    """
    pid = f" (pid {taken.pids[0]})" if taken.pids else ""
    told = [*([f"pid {taken.pids[0]}"] if taken.pids else []), *([f"user {user}"] if user else [])]
    more = f" ({', '.join(told)})" if told else ""
    owner = f"{taken.process or 'a process of another user'}{more}"
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


class _Exposure(Struct, frozen=True):
    """A socket that takes more connections than those for which its port is."""

    wanted: tuple[Listen, ...]
    networks: tuple[str, ...]
    bound: Listener
    elsewhere: frozenset[str]
    """The other addresses on which it takes them."""


def exposed(fleet: Fleet, job: Job, instance: Instance, facts: NodeFacts) -> Problem | None:
    """The instance also accepts connections that none of those that use it needs."""
    found = [] if instance.bind_any else list(_exposures(fleet, job, instance, facts))
    if not found:
        return None
    where = sorted({address for one in found for address in one.elsewhere})
    bound = [str(one.bound) for one in found]
    networks = dict.fromkeys(" or ".join(one.networks) for one in found)
    return LISTEN_EXPOSED.problem(
        instance.node,
        instance=instance.name,
        bound=listed(bound),
        elsewhere=", ".join(_named(fleet, address) for address in where),
        network=listed(list(networks)),
        listen=listed([str(listen) for one in found for listen in one.wanted]),
        hint=_narrowed(instance, found[0].wanted),
        evidence=f"listening socket{'s'[: len(bound) - 1]} of its processes: {', '.join(bound)}",
    )


def _exposures(fleet: Fleet, job: Job, instance: Instance, facts: NodeFacts) -> Iterator[_Exposure]:
    """One for each port at most."""
    sockets = own_sockets(instance, facts, own_pids(instance, facts)) if instance.bindings else ()
    if not sockets:
        return
    users = [i.node for i in job.instances if instance.service in i.after] + [*instance.peers]
    for port in dict.fromkeys(listen.port for listen in instance.bindings):
        listens = tuple(listen for listen in instance.bindings if listen.port == port)
        networks = [fleet.networks.get(listened_on(fleet, listen) or "") for listen in listens]
        wanted = [network for network in networks if network is not None and not network.control]
        if not wanted or len(wanted) < len(networks):
            continue
        if any(not _over(fleet, user, wanted) for user in users if user != instance.node):
            continue
        others = {
            str(address.ip)
            for interface in facts.network.interfaces or ()
            for address in interface.addresses
            if interface.up and not address.ip.is_loopback
            if not any(address.ip in network.cidr for network in wanted)
        }
        for one in sockets:
            elsewhere = others if one.address in EVERY_IPV4 else others & {one.address}
            if one.port == port and elsewhere:
                names = tuple(network.name for network in wanted)
                yield _Exposure(listens, names, one, frozenset(elsewhere))
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


def _narrowed(instance: Instance, listens: Sequence[Listen]) -> str:
    """What narrows it, by what is known of the program; most bind to one address or to all."""
    command = instance.command or ""
    option = next((name for word, name in _OPTIONS if word in command), "")
    known = option and len(listens) == 1
    given = f"`{option} {listens[0].address}` in its command; " if known else ""
    return f"{given}if it is meant, `bind: any`"


def _over(fleet: Fleet, node: str, networks: Iterable[Network]) -> bool:
    """Whether ``node`` is on one of ``networks`` or has a way to one."""
    there = (*fleet.nodes[node].networks, *fleet.nodes[node].via)
    return any(network.name in there for network in networks)


def _named(fleet: Fleet, address: str) -> str:
    network = fleet.network_of(IPv4Address(address))
    return f"{address} ({network})" if network else address
