"""What fleetctl started and still runs beside the instances of the chosen job. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec.structs import replace

from fleetctl.errors import LinkError
from fleetctl.health.kinds.instances import SERVICE_ORPHANED
from fleetctl.health.services import service_status
from fleetctl.model.facts import NodeFacts
from fleetctl.model.jobs import Instance, Job, Restart, Stop
from fleetctl.model.look import Look
from fleetctl.model.ready import Ready
from fleetctl.model.status import ALIVE_STATES, Fix, OrphanStatus, Problem
from fleetctl.model.topology import Fleet


def orphans(
    fleet: Fleet, job: Job | None, node: str, facts: NodeFacts
) -> Iterator[tuple[Instance, OrphanStatus]]:
    """The orphans on ``node``, by its own facts, each also as an instance that can be stopped."""
    known = {(job.name, i.name) for i in job.on(node)} if job else set()
    panes = [pane for pane in facts.panes or () if pane.session == fleet.name]
    keys = [*((pane.job, pane.instance) for pane in panes), *facts.records]
    for job_name, name in dict.fromkeys(keys):
        service, _, at = name.rpartition("@")
        if at != node or (job_name, name) in known:
            continue
        instance = _unnamed(job_name, service, node)
        status = service_status(fleet.name, instance, facts)
        record = facts.records.get((job_name, name))
        left = (facts.runs or {}).get(record.run, ()) if record else ()
        if status.state not in ALIVE_STATES and not left:
            continue
        # what makes it ready is no longer known
        state = "running" if status.state in ("ready", "exited", "stopped") else status.state
        found = OrphanStatus(
            job=job_name,
            service=service,
            node=node,
            state=state,
            reason=_why(fleet, job, job_name, service, node),
            pid=status.pid or (left[0] if left else None),
            started_at=status.started_at or (record.started_at if record else None),
            listening=status.listening,
            tmux=status.tmux,
        )
        yield instance, found


def orphan_problems(
    fleet: Fleet, found: Sequence[OrphanStatus], former: Mapping[str, Look]
) -> list[Problem]:
    """The problems about the orphans that were ``found``.

    :param former: looks at nodes that are no longer in nodes.yaml.
    """
    return [
        *(_orphan_problem(orphan) for orphan in found if not is_member(fleet, orphan)),
        *(
            _unasked_problem(name, look.error)
            for name, look in former.items()
            if look.error and name not in fleet.nodes
        ),
    ]


def is_member(fleet: Fleet, orphan: OrphanStatus) -> bool:
    """Whether a job of nodes.yaml has it, and it is meant to run."""
    job = fleet.jobs.get(orphan.job)
    return job is not None and any(i.name == orphan.name for i in job.on(orphan.node))


def _orphan_problem(orphan: OrphanStatus) -> Problem:
    """The warning about one orphan."""
    since = f" since {orphan.started_at:%Y-%m-%d %H:%M} UTC" if orphan.started_at else ""
    problem = SERVICE_ORPHANED.problem(
        orphan.node,
        instance=orphan.name,
        verb="runs",
        since=since,
        why=orphan.reason,
        evidence=f"job {orphan.job}, pid {orphan.pid or 'not known'}",
        affects=(orphan.name,),
        fix=Fix((f"fleetctl stop --orphans {orphan.node}",), "controller"),
    )
    return replace(problem, job=orphan.job)


def _unasked_problem(node: str, error: LinkError) -> Problem:
    """Something was started on a node that is no longer in nodes.yaml and cannot be asked."""
    return SERVICE_ORPHANED.problem(
        node,
        instance=f"what was started on {node}",
        since="",
        verb="may still run",
        why=f"{node} is no longer in nodes.yaml, and cannot be asked: {error.reason}",
        evidence=error.reason,
    )


def _why(fleet: Fleet, job: Job | None, job_name: str, service: str, node: str) -> str:
    named = fleet.jobs.get(job_name)
    if node not in fleet.nodes:
        return f"{node} is no longer in nodes.yaml"
    if named is None:
        return f"nodes.yaml has no job {job_name}"
    if service not in named.services:
        return f"its job {job_name} has no service {service} in nodes.yaml"
    if all(i.service != service for i in named.on(node)):
        return f"{service} of job {job_name} is not on {node} in nodes.yaml"
    return f"it belongs to job {job_name}, not to {job.name if job else 'this one'}"


def _unnamed(job: str, service: str, node: str) -> Instance:
    """An instance of which only the name is known."""
    return Instance(
        job=job,
        service=service,
        node=node,
        rank=0,
        world_size=0,
        command="",
        workdir=None,
        listen=None,
        ready=Ready("alive"),
        after=(),
        env={},
        env_file=None,
        restart=Restart(),
        stop=Stop(),
    )
