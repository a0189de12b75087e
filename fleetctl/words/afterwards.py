"""Which command tells what happened, after a failure. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fleetctl.model.status import FleetStatus, Problem, ServiceStatus


def postmortem_commands(status: FleetStatus) -> Iterator[str]:
    """For each job of which something has failed the command, with the one that ended first."""
    if status.job:
        jobs = {status.job: status.services}
    else:
        jobs = {name: job.services for name, job in status.jobs.items()}
    for job, services in jobs.items():
        if first := _first_failed(services):
            yield f"fleetctl postmortem {f'{job}/' if status.jobs else ''}{first}"


def postmortem_of(problem: Problem) -> str:
    """The command for a problem that is the failure of an instance; empty: it is none."""
    mine = (name for name in problem.affects if name.endswith(f"@{problem.node}"))
    name = next(mine, None) if problem.code == "service-failed" else None
    return f"fleetctl postmortem {name}" if name else ""


def _first_failed(services: Mapping[str, ServiceStatus]) -> str | None:
    failed = [(name, one) for name, one in services.items() if one.state == "failed"]
    dated = [(one.ended_at, name) for name, one in failed if one.ended_at]
    return min(dated)[1] if dated else failed[0][0] if failed else None
