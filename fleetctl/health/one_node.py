"""What one look at one node shows by itself, kept while there is no other look."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from fleetctl.errors import LinkError
from fleetctl.health.judged import Judged
from fleetctl.health.machine_problems import node_problems
from fleetctl.health.network.of_node import of_node
from fleetctl.health.network.rows import Rows
from fleetctl.health.orphans import orphans
from fleetctl.health.progress import with_own_progress
from fleetctl.health.services import service_status, unknown_status
from fleetctl.health.traffic import with_own_connections
from fleetctl.model.facts import NodeFacts
from fleetctl.model.jobs import Instance, Job
from fleetctl.model.look import Look
from fleetctl.model.node_status import AddressStatus, ReachStatus, RouteStatus
from fleetctl.model.questions import Depth
from fleetctl.model.status import OrphanStatus, Problem, ServiceStatus
from fleetctl.model.topology import Fleet, Node

Shown = tuple[tuple[AddressStatus, ...], tuple[RouteStatus, ...], tuple[ReachStatus, ...]]
"""A node's rows of addresses, routes and pings."""


def beforehand(
    judged: Judged, jobs: Sequence[Job | None], node: Node, look: Look, depth: Depth
) -> None:
    """Find all of it as soon as a look is there: the judgement of all nodes, which cannot be
    interrupted, then takes what is kept.

    :param jobs: those whose problems are told; instances of all are shown.
    """
    own = {job.name: job for job in jobs if job}
    for one in {**judged.fleet.jobs, **own}.values():
        for instance in one.on(node.name):
            instance_of(judged, one, instance, look)
    if look.facts:
        shown(judged, node.name, of_node(judged, node, look.facts, depth).rows)
        for job in jobs:
            machine(judged, job, node, look.facts)
            left_over(judged, job, node.name, look.facts)


def instance_of(judged: Judged, job: Job, instance: Instance, look: Look) -> ServiceStatus:
    """The status of an instance, its connections and how far it is, as far as no other instance
    counts."""

    def make() -> ServiceStatus:
        status = instance_status(judged.fleet, instance, look)
        status = with_own_connections(judged.fleet, job, instance, status, look.facts)
        return with_own_progress(instance, status, look.facts)

    return judged.of(("instance", job.name, instance.name), (job, look), make)


def instance_status(fleet: Fleet, instance: Instance, look: Look) -> ServiceStatus:
    """The status of one instance, from the look at its node."""
    if look.error:
        return unknown_status(instance, unasked(fleet.nodes[instance.node], look.error))
    if look.facts:
        return service_status(fleet.name, instance, look.facts)
    if fleet.nodes[instance.node].connection != "none":
        return unknown_status(instance, f"{instance.node} has not answered yet")
    answers = look.answers.get((instance.job, instance.name))
    status = unknown_status(instance, f"{instance.node} cannot be logged into")
    if answers is None:
        return status
    target = instance.ready.value
    return replace(
        status,
        state="ready" if answers else "stopped",
        reason=None if answers else f"{target} does not answer; it is started by hand",
    )


def unasked(node: Node, error: LinkError) -> str:
    """Why a node is not asked, as a clause."""
    if node.elsewhere:
        return f"nodes.yaml does not say how it is reached from here (no ssh): {error.reason}"
    return error.reason


def machine(judged: Judged, job: Job | None, node: Node, facts: NodeFacts) -> tuple[Problem, ...]:
    """What is wrong with the machine itself."""
    key = ("machine", job.name if job else None, node.name)
    return judged.of(key, (job, facts), lambda: tuple(node_problems(node, facts, job)))


def left_over(
    judged: Judged, job: Job | None, node: str, facts: NodeFacts
) -> tuple[OrphanStatus, ...]:
    """What runs there beside the instances of ``job``."""

    def make() -> tuple[OrphanStatus, ...]:
        return tuple(orphan for _, orphan in orphans(judged.fleet, job, node, facts))

    return judged.of(("orphans", job.name if job else None, node), (job, facts), make)


def shown(judged: Judged, node: str, rows: Rows) -> Shown:
    """The rows as they are shown."""

    def make() -> Shown:
        return (
            tuple(row.status() for row in rows.addresses),
            tuple(row.status() for row in rows.routes),
            tuple(row.status() for row in rows.reachability),
        )

    return judged.of(("shown", node), (rows,), make)
