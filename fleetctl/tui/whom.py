"""Whom a stop or restart hits, in words, and the choices of what to act upon. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fleetctl.launch.plan import dependents
from fleetctl.model.jobs import Instance, Job
from fleetctl.model.status import ALIVE_STATES, ServiceStatus


def hit_by_stop(job: Job, chosen: Sequence[Instance], services: Mapping[str, ServiceStatus]) -> str:
    """What stopping ``chosen`` means for what goes on running; empty where that is nothing."""
    names = {i.name for i in chosen}
    waiting = {name for i in chosen for name in dependents(job, i.service)}
    losing = [
        i.name
        for i in job.instances
        if i.service in waiting
        and i.name not in names
        and i.name in services
        and services[i.name].state in ALIVE_STATES
    ]
    if not losing:
        return ""
    what = ", ".join(i.name for i in chosen)
    verb = "loses" if len(losing) == 1 else "lose"
    return f"stops {what}: {', '.join(losing)} {verb} it"
