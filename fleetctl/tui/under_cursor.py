"""What a key acts on: the row that the visible cursor is on. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from fleetctl.model.jobs import Instance, Job
from fleetctl.model.status import Problem


class UnderCursor(Struct, frozen=True):
    """The row, and what it is about."""

    name: str = ""
    """As it is shown; empty: the cursor is on no row that a key could act on."""
    nodes: tuple[str, ...] = ()
    instances: tuple[Instance, ...] = ()
    """Of the job."""
    problems: tuple[Problem, ...] = ()
    """Where the row is one or several problems."""
    network: str = ""
    """Where it is the link of its node to this network."""
    marked: bool = False
    """Whether these are rows that were marked, and not that of the cursor."""

    @property
    def place(self) -> tuple[str, str, tuple[str, ...]]:
        """Which row it is, whatever is known of it."""
        return self.name, self.network, self.nodes

    @property
    def started(self) -> tuple[Instance, ...]:
        """The instances that fleetctl starts."""
        return tuple(i for i in self.instances if i.command is not None)


NOTHING = UnderCursor()


def of_node(node: str, job: Job | None) -> UnderCursor:
    """A node; its instances are what start and stop are about."""
    mine = tuple(job.on(node)) if job else ()
    return UnderCursor(mine[0].name if len(mine) == 1 else node, (node,), mine)


def of_link(node: str, network: str) -> UnderCursor:
    """A node's link to a network; start and stop are not about it."""
    return UnderCursor(f"{node} on {network}", (node,), network=network)


def of_instance(instance: Instance) -> UnderCursor:
    """One instance."""
    return UnderCursor(instance.name, (instance.node,), (instance,))


def of_problems(problems: Sequence[Problem], job: Job | None) -> UnderCursor:
    """Problems of one row: the instances that they are about, else those of their nodes."""
    nodes = tuple(dict.fromkeys(p.node for p in problems if p.node))
    all_of_job = job.instances if job else ()
    about = {name for p in problems for name in p.affects if name.rpartition("@")[2] == p.node}
    instances = tuple(i for i in all_of_job if i.name in about)
    instances = instances or tuple(i for i in all_of_job if i.node in nodes)
    where = nodes[0] if len(nodes) == 1 else f"{len(nodes)} nodes"
    name = f"{where}: {problems[0].code}" if nodes else problems[0].code
    return UnderCursor(name, nodes, instances, tuple(problems))
