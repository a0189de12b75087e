"""Hostfiles of MPI (Open MPI, "Scheduling processes across hosts") and for torchrun: an address
and a number of slots in each line, in the order of ranks."""

from __future__ import annotations

from fleetctl.export.members import addressed
from fleetctl.model.jobs import Job
from fleetctl.model.topology import Fleet

_TORCHRUN_PORT = 29500
"""torchrun's own default for ``--master-port``."""


def mpi(fleet: Fleet, job: Job | None) -> str:
    """For ``mpirun --hostfile``.

    :raises UsageError: no node can be logged into, or one has no address.
    """
    return _lines(fleet, job, "an MPI hostfile")


def torchrun(fleet: Fleet, job: Job | None) -> str:
    """torchrun itself reads no hostfile, so comments have the line that each node runs.

    :raises UsageError: as :func:`mpi`.
    """
    hosts = addressed(fleet, job, "a hostfile for torchrun")
    first, address = hosts[0]
    listens = (i.listen.port for i in job.on(first.node.name) if i.listen) if job else iter(())
    port = next(listens, _TORCHRUN_PORT)
    runs = [
        f"# {m.node.name}: torchrun --nnodes {len(hosts)} --node-rank {m.rank} "
        f"--master-addr {address} --master-port {port} …"
        for m, _ in hosts
    ]
    return "\n".join(runs) + "\n" + _lines(fleet, job, "a hostfile for torchrun")


def _lines(fleet: Fleet, job: Job | None, what: str) -> str:
    return "".join(
        f"# rank {member.rank}: {member.node.name}\n{address} slots=1\n"
        for member, address in addressed(fleet, job, what)
    )
