"""The variables by which the members of a ``framework`` find each other.

Names and forms are the frameworks' own: torchrun takes each option from ``PET_OPTION``
(torch/distributed/argparse_util.py), and scripts without it read ``MASTER_ADDR``, ``RANK`` and so
on (``init_method="env://"``); MLX reads what ``mlx.launch`` sets (mlx/distributed/ring/ring.cpp,
jaccl/lib/jaccl/jaccl.cpp); Open MPI 4 and 5 and MPICH read a default host file, Dask and Ray where
their first process is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import assert_never

from msgspec import Struct
from msgspec.structs import replace

from fleetctl.config.scalars import Framework
from fleetctl.config.scope import Scope

PORTS: Mapping[Framework, int] = {
    "torchrun": 29500,
    "mlx-ring": 32323,
    "mlx-jaccl": 32323,
    "dask": 8786,
    "ray": 6379,
}
"""Where the first member listens, unless nodes.yaml says: the frameworks' own defaults."""


class Group(Struct, frozen=True):
    """The members of a framework.

    :param members: service and node of each, in order of rank, the first one being rank 0.
    :param port: where the first member listens.
    :param network: the network that they use; ``None``: nodes.yaml has none.
    :param elastic: some of them may be missing.
    :param id: tells the group from others.
    """

    members: tuple[tuple[str, str], ...]
    port: int
    network: str | None
    elastic: bool
    id: str


def variables(framework: Framework, group: Group, scope: Scope) -> dict[str, str]:
    """What the member of ``scope`` gets; its files go into ``scope``.

    :raises Unfillable: a member has no address on the network that they use.
    """
    rank = group.members.index((scope.service, scope.node.name))
    hosts = [scope.host(service, node) for service, node in group.members]
    first = f"{hosts[0]}:{group.port}"
    match framework:
        case "torchrun":
            return _torchrun(group, rank, hosts, scope)
        case "mlx-ring":
            return _mlx_ring(group, rank, scope)
        case "mlx-jaccl":
            return {
                "MLX_RANK": str(rank),
                "MLX_JACCL_COORDINATOR": first,
                "MLX_IBV_DEVICES": scope.file("mlx-devices.json", _devices(group, rank, scope)),
            }
        case "mpi":
            return _mpi(group, hosts, scope)
        case "dask":
            return {"DASK_SCHEDULER_ADDRESS": f"tcp://{first}"}
        case "ray":
            return {"RAY_ADDRESS": first}
        case "none":
            return {}
        case _:
            assert_never(framework)


def _torchrun(group: Group, rank: int, hosts: list[str], scope: Scope) -> dict[str, str]:
    size, port = len(hosts), str(group.port)
    found = {
        "MASTER_ADDR": hosts[0],
        "MASTER_PORT": port,
        "RANK": str(rank),
        "WORLD_SIZE": str(size),
        "LOCAL_RANK": "0",
        "PET_NNODES": str(size),
        "PET_NODE_RANK": str(rank),
        "PET_MASTER_ADDR": hosts[0],
        "PET_MASTER_PORT": port,
    }
    if group.elastic:
        found |= {
            "PET_NNODES": f"1:{size}",
            "PET_RDZV_BACKEND": "c10d",
            "PET_RDZV_ENDPOINT": f"{hosts[0]}:{port}",
            "PET_RDZV_ID": group.id,
            "PET_RDZV_CONF": f"is_host={int(rank == 0)}",
        }
    if group.network:
        network = scope.local_network("interface")
        found["PET_LOCAL_ADDR"] = str(scope.node.addresses[network])
        for library in ("GLOO", "NCCL", "TP"):
            found[f"{library}_SOCKET_IFNAME"] = scope.interface_on(network)
    return found


def _mlx_ring(group: Group, rank: int, scope: Scope) -> dict[str, str]:
    """Each member listens at its entry, and only the one before it connects to that: there is an
    address on the network of these two."""
    if len(group.members) == 1:  # a ring of one would wait for itself
        return {"MLX_RANK": "0"}
    ring = []
    for place, (service, node) in enumerate(group.members):
        before = scope.fleet.nodes[group.members[place - 1][1]]
        ring.append([f"{replace(scope, node=before).host(service, node)}:{group.port + place}"])
    path = scope.file("mlx-ring.json", json.dumps(ring) + "\n")
    return {"MLX_RANK": str(rank), "MLX_HOSTFILE": path}


def _devices(group: Group, rank: int, scope: Scope) -> str:
    """By rank: the RDMA devices to all ranks. A member takes its own row, and of the others only
    whether there is a device; their names only their nodes know."""

    def device(own: str, other: str) -> str | None:
        shared = scope.fleet.shared_network(own, other) if own != other else None
        if shared is None or shared.control:
            return None
        return f"rdma_{scope.interface_on(shared.name)}" if own == mine else f"known to {own}"

    nodes = [node for _, node in group.members]
    mine = nodes[rank]
    return json.dumps([[device(own, other) for other in nodes] for own in nodes]) + "\n"


def _mpi(group: Group, hosts: list[str], scope: Scope) -> dict[str, str]:
    path = scope.file("mpi-hosts", "".join(f"{host}\n" for host in hosts))
    found = {
        "OMPI_MCA_orte_default_hostfile": path,  # Open MPI 4
        "PRTE_MCA_prte_default_hostfile": path,  # Open MPI 5
        "HYDRA_HOST_FILE": path,  # MPICH
    }
    if group.network:
        fleet = scope.fleet
        ways = [fleet.way_out(fleet.nodes[node], group.network) for _, node in group.members]
        cidrs = dict.fromkeys(str(fleet.networks[way].cidr) for way in ways if way)
        for layer in ("btl", "oob"):
            found[f"OMPI_MCA_{layer}_tcp_if_include"] = ",".join(cidrs)
    return found
