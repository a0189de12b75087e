"""From one look at every node to the fleet's status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec
from msgspec import Struct

from fleetctl.errors import LinkError
from fleetctl.health.problems import link_problem, node_problems, service_problems
from fleetctl.health.services import service_status, unknown_status
from fleetctl.launch.plan import met, plan, unmet
from fleetctl.model.expectations import Expectations
from fleetctl.model.facts import NodeFacts
from fleetctl.model.jobs import Instance, Job
from fleetctl.model.status import (
    ALIVE_STATES,
    SCHEMA,
    AddressStatus,
    FleetStatus,
    ForwardingStatus,
    NodeState,
    NodeStatus,
    Problem,
    ReachStatus,
    RouteStatus,
    ServiceStatus,
    SSHStatus,
)
from fleetctl.model.topology import Fleet, Node

NOT_MEASURED = "not measured yet"


class Look(Struct, frozen=True):
    """What came of asking one node: facts, or the error that stands for them."""

    facts: NodeFacts | None = None
    error: LinkError | None = None
    address: str | None = None
    connect_ms: float | None = None
    answers: Mapping[str, bool] = {}
    """For a node that cannot be logged into: instance name to whether its ready condition holds."""


def assess(
    fleet: Fleet,
    job: Job | None,
    expectations: Expectations,
    looks: Mapping[str, Look],
    *,
    duration_s: float,
    chosen: Sequence[Instance] | None = None,
) -> FleetStatus:
    """The status of ``fleet``, with the instances of ``job`` (or only ``chosen`` of them)."""
    statuses: dict[str, ServiceStatus] = {}
    for instance in job.instances if job else ():
        statuses[instance.name] = instance_status(fleet, instance, looks[instance.node])
    if job:
        statuses = _with_waiting(job, statuses, looks)
    problems: list[Problem] = []
    for node in fleet.nodes.values():
        look = looks[node.name]
        if look.error:
            problems.append(link_problem(fleet, node, look.error, job))
        elif look.facts:
            problems.extend(node_problems(node, look.facts, job))
    if job:
        known = {name: look.facts for name, look in looks.items() if look.facts}
        problems.extend(service_problems(job, statuses, known, tuple(problems)))
    problems.sort(key=lambda problem: problem.severity != "error")
    shown = {i.name for i in chosen} if chosen is not None else set(statuses)
    return FleetStatus(
        schema=SCHEMA,
        fleet=fleet.name,
        job=job.name if job else None,
        generated_at=datetime.now(UTC),
        duration_s=round(duration_s, 3),
        healthy=not any(problem.severity == "error" for problem in problems),
        nodes={
            node.name: _node(node, fleet, job, expectations, looks[node.name], problems)
            for node in fleet.nodes.values()
        },
        services={name: status for name, status in statuses.items() if name in shown},
        problems=tuple(problems),
    )


def instance_status(fleet: Fleet, instance: Instance, look: Look) -> ServiceStatus:
    """The status of one instance by what came of asking its node."""
    if look.error:
        return unknown_status(instance, look.error.reason)
    if look.facts:
        return service_status(fleet.name, instance, look.facts)
    answers = look.answers.get(instance.name)
    status = unknown_status(instance, f"{instance.node} cannot be logged into")
    if answers is None:
        return status
    target = instance.ready.value
    return msgspec.structs.replace(
        status,
        state="ready" if answers else "stopped",
        reason=None if answers else f"{target} does not answer; it is started by hand",
    )


def _with_waiting(
    job: Job, statuses: Mapping[str, ServiceStatus], looks: Mapping[str, Look]
) -> dict[str, ServiceStatus]:
    """Tell "waiting" from "stopped".

    An instance that does not run while others of its job do, because what it starts after is not
    ready, waits: ``start`` would not start it yet either. One that was stopped since then is
    stopped.
    """
    active = any(s.state in ALIVE_STATES or s.state == "failed" for s in statuses.values())
    found = dict(statuses)
    for instance in (step.instance for step in plan(job, job.instances)):
        status = found[instance.name]
        if not active or status.state != "stopped" or instance.command is None:
            continue
        needs = [i for name in instance.after for i in job.services[name].instances]
        missing = unmet(needs, found)
        blocked = any(not met(i, s) and s.state != "stopped" for i in needs if (s := found[i.name]))
        if blocked and not _stopped_since(instance, looks[instance.node], needs, found):
            found[instance.name] = msgspec.structs.replace(
                status, state="waiting", reason=", ".join(missing)
            )
    return found


def _stopped_since(
    instance: Instance,
    look: Look,
    needs: Sequence[Instance],
    statuses: Mapping[str, ServiceStatus],
) -> bool:
    record = look.facts.records.get((instance.job, instance.name)) if look.facts else None
    if record is None or record.phase != "stopped" or record.ended_at is None:
        return False
    started = [s.started_at for i in needs if (s := statuses.get(i.name)) and s.started_at]
    return any(record.ended_at >= moment for moment in started)


def _node(
    node: Node,
    fleet: Fleet,
    job: Job | None,
    expectations: Expectations,
    look: Look,
    problems: Sequence[Problem],
) -> NodeStatus:
    return NodeStatus(
        state=_node_state(node, look, problems),
        ssh=_ssh(node, look),
        system=look.facts.system if look.facts else None,
        addresses=tuple(
            AddressStatus(network, str(address), reason=NOT_MEASURED)
            for network, address in node.addresses.items()
        ),
        routes=tuple(
            RouteStatus(str(r.to), r.kind, str(r.via), reason=NOT_MEASURED)
            for r in expectations.routes_of(node.name)
        ),
        forwarding=ForwardingStatus(
            expected=node.name in expectations.forwarding, reason=NOT_MEASURED
        ),
        reachability=tuple(
            ReachStatus(str(r.to), r.peer, r.network, r.expected, reason=NOT_MEASURED)
            for r in expectations.reach_of(node.name)
        ),
        services=tuple(i.name for i in job.instances if i.node == node.name) if job else (),
    )


def _node_state(node: Node, look: Look, problems: Sequence[Problem]) -> NodeState:
    if node.connection == "none":
        return "external"
    if look.error:
        return "unreachable"
    if look.facts is None:
        return "unknown"
    hit = any(p.node == node.name and p.severity == "error" for p in problems)
    return "degraded" if hit else "ok"


def _ssh(node: Node, look: Look) -> SSHStatus:
    if node.connection == "none":
        return SSHStatus(reachable=None, error="cannot be logged into (connection: none)")
    if look.error:
        return SSHStatus(reachable=False, address=node.ssh.host, error=str(look.error.reason))
    ms = None if look.connect_ms is None else round(look.connect_ms, 1)
    return SSHStatus(reachable=True, address=look.address, connect_ms=ms)
