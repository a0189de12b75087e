"""The question what to start, stop or restart, and what a stop affects. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fleetctl.model.jobs import Instance, Job
from fleetctl.model.plan import dependents
from fleetctl.model.progress import ActionKind
from fleetctl.model.status import ALIVE_STATES, OrphanStatus, ServiceStatus
from fleetctl.tui.screens.choice import CANCEL, Choice

ALL, THIS = "all", "this"

Services = Mapping[str, ServiceStatus]


def question(
    kind: ActionKind,
    job: Job,
    this: Instance | None,
    services: Services,
    orphans: Sequence[OrphanStatus] = (),
) -> tuple[str, str, Sequence[Choice]]:
    """Title, text and answers of the question what to start, stop or restart.

    :param this: the instance under the cursor.
    :param orphans: what stopping all stops besides the job's instances.
    """
    running = [name for name, service in services.items() if service.state in ALIVE_STATES]
    body = [f"Running now: {', '.join(running) or 'nothing'}."]
    if kind == "stop" and orphans:
        names = ", ".join(orphan.name for orphan in orphans)
        body.append(f"All includes {names}, no longer in nodes.yaml.")
    if kind != "start" and this:
        body += filter(None, [hit_by_stop(job, [this], services)])
    choices = [Choice(ALL, f"{kind} all of {job.name} ({len(job.instances)} instances)")]
    if this:
        choices.append(Choice(THIS, f"{kind} only {this.name}"))
    choices = [*choices, CANCEL] if kind == "start" else [CANCEL, *reversed(choices)]
    return f"{kind.capitalize()} {job.name}", "\n".join(body), choices


def hit_by_stop(job: Job, chosen: Sequence[Instance], services: Services) -> str:
    """Which running instances lose one they depend on; empty if none does."""
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
