"""Which nodes take part in a job, in the order of ranks, and by which address each is reached."""

from __future__ import annotations

from ipaddress import IPv4Address

from msgspec import Struct

from fleetctl.errors import UsageError
from fleetctl.model.jobs import Job
from fleetctl.model.topology import Fleet, Node


class Member(Struct, frozen=True):
    """One node of a job."""

    rank: int
    """0-based, in the order of the job's instances; without a job in that of the nodes."""
    node: Node
    address: IPv4Address | None
    """On the network of the job; None: nodes.yaml gives the node no address."""


def members(fleet: Fleet, job: Job | None) -> tuple[Member, ...]:
    """The nodes of ``job`` that can be logged into, each once; without a job all such nodes.

    :raises UsageError: there is none.
    """
    names = dict.fromkeys(i.node for i in job.instances) if job else dict.fromkeys(fleet.nodes)
    nodes = [fleet.nodes[name] for name in names if fleet.nodes[name].connection != "none"]
    if not nodes:
        what = f"job {job.name!r}" if job else "the fleet"
        raise UsageError(f"{what} has no node that can be logged into, so there is no host to list")
    network = job_network(fleet, job, nodes)
    return tuple(
        Member(rank, node, data_address(fleet, network, node)) for rank, node in enumerate(nodes)
    )


def addressed(fleet: Fleet, job: Job | None, what: str) -> tuple[tuple[Member, IPv4Address], ...]:
    """The :func:`members` with their addresses.

    :param what: what needs the addresses, as the subject of a sentence.
    :raises UsageError: there is none, or a node has no address.
    """
    found = members(fleet, job)
    missing = [m.node for m in found if m.address is None]
    if missing:
        name = missing[0].name
        why = "only dhcp" if missing[0].leased else "none"
        raise UsageError(
            f"{what} needs an address of each node, and nodes.yaml has {why} of {name!r}",
            hint=f"Give it under nodes.{name}.addresses.",
        )
    return tuple((m, m.address) for m in found if m.address is not None)


def job_network(fleet: Fleet, job: Job | None, nodes: list[Node]) -> str | None:
    """The network of the job's traffic: that of its first ``listen``, else the one with most of
    ``nodes``, control networks last."""
    for instance in job.instances if job else ():
        if instance.listen and (name := fleet.network_of(instance.listen.address)):
            return name
    counts = {name: sum(name in node.networks for node in nodes) for name in fleet.networks}
    on = [name for name, count in counts.items() if count]
    return max(on, key=lambda n: (not fleet.networks[n].control, counts[n]), default=None)


def data_address(fleet: Fleet, network: str | None, node: Node) -> IPv4Address | None:
    """The address of ``node`` on ``network``; of a node behind a gateway that on its link to the
    gateway; else its first one. Where DHCP gives that on ``network``, the one that is its SSH
    host, or none: another one may be on a network that the others do not reach."""
    if network in node.leased and network not in node.addresses:
        own = _literal(node)
        return own if own and own in fleet.networks[network].cidr else None
    if network and network in node.addresses:
        return node.addresses[network]
    if network and network in node.via:
        link = fleet.shared_network(node.name, node.via[network])
        if link and link.name in node.addresses:
            return node.addresses[link.name]
    data = (a for name, a in node.addresses.items() if not fleet.networks[name].control)
    return next(data, None) or next(iter(node.addresses.values()), None) or _literal(node)


def _literal(node: Node) -> IPv4Address | None:
    try:
        return IPv4Address(node.ssh.host)
    except ValueError:
        return None
