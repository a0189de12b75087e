"""The fleet's status, from one look at every node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from datetime import UTC, datetime

from msgspec import Struct
from msgspec.structs import replace

from fleetctl.errors import LinkError
from fleetctl.health.connection_problems import all_lost, login_problems, lost_node
from fleetctl.health.contact import ALONE, Contacts
from fleetctl.health.contact import lost as lost_contact
from fleetctl.health.instance_problems import service_problems
from fleetctl.health.judged import Judged
from fleetctl.health.kinds.instances import CONNECTION_LOST, OF_INSTANCES
from fleetctl.health.kinds.reachability import NO_INTERNET
from fleetctl.health.network.diagnosis import Diagnosis, Root, SecondWay, diagnose
from fleetctl.health.network.quality import Degraded
from fleetctl.health.network.rows import Rows
from fleetctl.health.one_node import instance_of, left_over, machine, shown, unasked
from fleetctl.health.order import in_order
from fleetctl.health.orphans import orphan_problems
from fleetctl.health.parity import parity, parity_problems
from fleetctl.health.power import is_mac, reboot_status, sleep_status
from fleetctl.health.progress import compared, job_progress
from fleetctl.health.requirements import requirement_problems
from fleetctl.health.silence import silent
from fleetctl.health.stragglers import stragglers
from fleetctl.health.traffic import with_traffic
from fleetctl.health.uneven import uneven
from fleetctl.health.waiting import with_waiting
from fleetctl.model.expectations import Expectations, ExpectedReach, derive, unaddressed
from fleetctl.model.facts import NodeFacts
from fleetctl.model.jobs import Instance, Job
from fleetctl.model.leases import with_leases
from fleetctl.model.look import Look
from fleetctl.model.node_status import NodeState, NodeStatus, ReachStatus, SSHStatus
from fleetctl.model.questions import Depth
from fleetctl.model.status import (
    SCHEMA,
    FleetStatus,
    JobStatus,
    OrphanStatus,
    Problem,
    ServiceStatus,
)
from fleetctl.model.topology import DHCP, Fleet, Node


class Checked(Struct, frozen=True):
    """The fleet's status, and what it was made from."""

    status: FleetStatus
    roots: tuple[Root, ...]
    """The problems of the network in ``status``, and those of programs that the job requires, with
    the findings behind them."""
    facts: Mapping[str, NodeFacts]
    """Of the nodes that answered."""
    fleet: Fleet
    """With the addresses that DHCP gave, as far as they are known."""
    expectations: Expectations
    """What must be true of ``fleet``."""
    degraded: frozenset[Degraded] = frozenset()
    """The links that work, but badly."""
    broken: frozenset[ExpectedReach] = frozenset()
    """The ways that a finding breaks: what is lost on them says nothing of their links."""


def assess(
    fleet: Fleet,
    job: Job | None,
    expectations: Expectations,
    looks: Mapping[str, Look],
    *,
    duration_s: float,
    depth: Depth = "status",
    chosen: Sequence[Instance] | None = None,
    former: Mapping[str, Look] | None = None,
    standing: frozenset[Degraded] = frozenset(),
    contacts: Contacts | None = None,
    lagging: Mapping[str, Problem] | None = None,
    judged: Judged | None = None,
) -> Checked:
    """The state of ``fleet``, with the instances of ``job`` (or only ``chosen`` of them).

    :param former: looks at nodes that are no longer in nodes.yaml.
    :param standing: the links that worked badly before, and do so unless they are clearly better.
    :param contacts: what several looks showed of the instances' connections.
    :param lagging: by instance, what was told of those that lagged before.
    :param judged: what is kept of earlier looks, for the same ``fleet`` and ``expectations``.
    """
    facts = facts_of(looks)
    fleet, expectations = _learned(fleet, job, expectations, facts)
    if judged is None or judged.fleet is not fleet or judged.expectations is not expectations:
        judged = Judged(fleet, expectations)
    statuses = _statuses(judged, job, looks) if job else {}
    diagnosis = _diagnosed(judged, facts, looks, depth, standing)
    problems = _of_nodes(judged, job, diagnosis, facts, looks)
    required = tuple(_required(fleet, job, facts))
    problems += (root.problem for root in required)
    equal = parity(job, facts) if depth == "check" else None
    problems += parity_problems(job, facts, equal or ())
    if job:
        problems = _with_job(fleet, job, statuses, facts, problems)
        problems += _of_watch(job, statuses, facts, problems, contacts, lagging)
        statuses = _with_reasons(statuses, problems)
        problems = [replace(p, job=job.name) if p.code in OF_INSTANCES else p for p in problems]
    left = _left_over(judged, job, {**looks, **(former or {})})
    problems += orphan_problems(fleet, left, former or {})
    shown = {i.name for i in chosen} if chosen is not None else set(statuses)
    status = FleetStatus(
        schema=SCHEMA,
        fleet=fleet.name,
        job=job.name if job else None,
        generated_at=datetime.now(UTC),
        duration_s=round(duration_s, 3),
        healthy=not any(problem.severity == "error" for problem in problems),
        nodes=_nodes(judged, job, diagnosis, looks, problems),
        services={name: status for name, status in statuses.items() if name in shown},
        problems=(),
        orphans=left,
        parity=equal,
        progress=job_progress(job, statuses) if job else None,
        jobs=_other_jobs(judged, job, looks),
    )
    status = replace(status, problems=in_order(fleet, job, status, problems))
    roots = (*diagnosis.roots, *required)
    return Checked(status, roots, facts, fleet, expectations, diagnosis.degraded, diagnosis.broken)


def _diagnosed(
    judged: Judged,
    facts: Mapping[str, NodeFacts],
    looks: Mapping[str, Look],
    depth: Depth,
    standing: frozenset[Degraded],
) -> Diagnosis:
    lost = _lost(judged.fleet, looks)
    second = {n: SecondWay(look.via, look.bypassed) for n, look in looks.items() if look.via}
    lost_at = {name: look.lost_at for name, look in looks.items() if look.lost_at}
    return diagnose(judged, facts, lost, depth, standing, second, lost_at)


def _left_over(
    judged: Judged, job: Job | None, looks: Mapping[str, Look]
) -> tuple[OrphanStatus, ...]:
    """What runs beside the instances of ``job``."""
    return tuple(
        orphan
        for name, told in facts_of(looks).items()
        for orphan in left_over(judged, job, name, told)
    )


def facts_of(looks: Mapping[str, Look]) -> dict[str, NodeFacts]:
    """By node that answered."""
    return {name: look.facts for name, look in looks.items() if look.facts}


def _with_reasons(
    statuses: Mapping[str, ServiceStatus], problems: Sequence[Problem]
) -> dict[str, ServiceStatus]:
    """``statuses``, with what is said of instances that lost their server."""
    found = dict(statuses)
    alone = (problem for problem in problems if problem.code == CONNECTION_LOST.code)
    for name in {name for problem in alone for name in problem.affects}:
        reason = "; ".join(filter(None, (found[name].reason, ALONE)))
        found[name] = replace(found[name], reason=reason)
    return found


def _nodes(
    judged: Judged,
    job: Job | None,
    diagnosis: Diagnosis,
    looks: Mapping[str, Look],
    problems: Sequence[Problem],
) -> dict[str, NodeStatus]:
    fleet = judged.fleet
    hit = {p.node for p in problems if p.severity == "error"}
    leases = any(node.leased for node in fleet.nodes.values())

    def status(node: Node) -> NodeStatus:
        rows, look = diagnosis.rows[node.name], looks[node.name]
        state = _node_state(node, look, hit)
        key = ("node", job.name if job else None, node.name)
        return judged.of(
            key,
            (job, rows, look, state),
            lambda: _node(judged, node, job, rows, look, state, leased=leases),
        )

    return {name: status(node) for name, node in fleet.nodes.items()}


def _with_job(
    fleet: Fleet,
    job: Job,
    statuses: Mapping[str, ServiceStatus],
    facts: Mapping[str, NodeFacts],
    problems: list[Problem],
) -> list[Problem]:
    """``problems``, and those of the instances of ``job``."""
    of_job = service_problems(fleet, job, statuses, facts, tuple(problems))
    return with_traffic(job, statuses, [*problems, *of_job])


def _of_watch(
    job: Job,
    statuses: Mapping[str, ServiceStatus],
    facts: Mapping[str, NodeFacts],
    problems: Sequence[Problem],
    contacts: Contacts | None,
    lagging: Mapping[str, Problem] | None,
) -> list[Problem]:
    """The problems of instances that do not do what their peers do: most need several looks."""
    found = list(stragglers(job, statuses, facts, problems, lagging))
    found.extend(uneven(job, statuses, facts))
    if contacts:
        found.extend(lost_contact(job, statuses, facts, contacts, (*problems, *found)))
    return [*found, *silent(job, statuses, facts, problems, found)]


def _learned(
    fleet: Fleet, job: Job | None, expectations: Expectations, facts: Mapping[str, NodeFacts]
) -> tuple[Fleet, Expectations]:
    """Both with the addresses that DHCP gave, by the nodes' own words."""
    known = with_leases(fleet, facts)
    return (fleet, expectations) if known is fleet else (known, derive(known, job))


def _required(fleet: Fleet, job: Job | None, facts: Mapping[str, NodeFacts]) -> Iterator[Root]:
    if job is None or not job.requires:
        return
    for name, told in facts.items():
        for problem, found in requirement_problems(fleet, fleet.nodes[name], told, job):
            yield Root(problem, found)


def _statuses(judged: Judged, job: Job, looks: Mapping[str, Look]) -> dict[str, ServiceStatus]:
    found = {i.name: instance_of(judged, job, i, looks[i.node]) for i in job.instances}
    return judged.of(
        ("statuses", job.name),
        (job, *found.values()),
        lambda: compared(job, with_waiting(job, found, looks)),
    )


def _other_jobs(judged: Judged, job: Job | None, looks: Mapping[str, Look]) -> dict[str, JobStatus]:
    return {
        name: JobStatus(_statuses(judged, other, looks))
        for name, other in judged.fleet.jobs.items()
        if job is None or name != job.name
    }


def _of_nodes(
    judged: Judged,
    job: Job | None,
    diagnosis: Diagnosis,
    facts: Mapping[str, NodeFacts],
    looks: Mapping[str, Look],
) -> list[Problem]:
    """What is wrong with connections, machines and networks."""
    fleet = judged.fleet
    lost = _lost(fleet, looks)
    problems: list[Problem] = []
    for node in fleet.nodes.values():
        if node.name in lost and node.name not in diagnosis.explained:
            problems.append(lost_node(node, lost[node.name], job, diagnosis))
        elif node.name in facts:
            problems.extend(machine(judged, job, node, facts[node.name]))
    problems.extend(login_problems(looks))
    if cut_off := all_lost(fleet, lost, facts, problems):
        problems = [cut_off, *(p for p in problems if p.node not in lost)]
    return problems + [
        root.problem
        for root in diagnosis.roots
        # a machine that is cut off has no internet either
        if not (cut_off and root.problem.code == NO_INTERNET.code)
    ]


def _node(
    judged: Judged,
    node: Node,
    job: Job | None,
    rows: Rows,
    look: Look,
    state: NodeState,
    *,
    leased: bool,
) -> NodeStatus:
    """The status of a node.

    :param leased: DHCP gives addresses of the fleet.
    """
    unaddressed = _unaddressed(judged.fleet, node) if leased else ()
    addresses, routes, reachability = shown(judged, node.name, rows)
    return NodeStatus(
        state=state,
        ssh=_ssh(node, look),
        system=look.facts.system if look.facts else None,
        addresses=addresses,
        routes=routes,
        forwarding=rows.forwarding,
        reachability=(*reachability, *unaddressed),
        services=tuple(i.name for i in job.on(node.name)) if job else (),
        sleep=sleep_status(look.facts) if look.facts and is_mac(look.facts) else None,
        reboot=reboot_status(look.facts) if look.facts and is_mac(look.facts) else None,
    )


def _unaddressed(fleet: Fleet, node: Node) -> Iterator[ReachStatus]:
    for peer, network in unaddressed(fleet, node):
        why = f"which address {peer} has there is not known: DHCP gives it"
        yield ReachStatus(DHCP, peer, network, expected=True, reason=why)


def _lost(fleet: Fleet, looks: Mapping[str, Look]) -> dict[str, LinkError]:
    """Why nodes are not reached that should be; those of former files are not among them."""
    return {
        name: look.error
        for name, look in looks.items()
        if look.error and not fleet.nodes[name].elsewhere
    }


def _node_state(node: Node, look: Look, hit: Set[str | None]) -> NodeState:
    if node.connection == "none":
        return "external"
    if look.error:
        return "unknown" if node.elsewhere else "unreachable"
    if look.facts is None or look.facts.unsupported:
        return "unknown"
    return "degraded" if node.name in hit else "ok"


def _ssh(node: Node, look: Look) -> SSHStatus:
    if node.connection == "none":
        return SSHStatus(reachable=None, error="cannot be logged into (connection: none)")
    if look.error:
        known = None if node.elsewhere else False
        return SSHStatus(known, node.ssh.host, error=unasked(node, look.error))
    if look.facts is None:  # not asked yet
        return SSHStatus(reachable=None)
    ms = None if look.connect_ms is None else round(look.connect_ms, 1)
    via = look.via or None
    return SSHStatus(reachable=True, address=look.address, connect_ms=ms, via=via)
