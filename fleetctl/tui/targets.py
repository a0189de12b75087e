"""The question what to start, stop or restart, and what a stop affects. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from fleetctl.model.jobs import Instance, Job
from fleetctl.model.plan import dependents
from fleetctl.model.progress import ActionKind
from fleetctl.model.status import ALIVE_STATES, FleetStatus, OrphanStatus, ServiceStatus
from fleetctl.quantities import NAMED, count, first_ones
from fleetctl.tui.counting import among_nodes, named
from fleetctl.tui.screens.choice import CANCEL, Choice
from fleetctl.tui.under_cursor import UnderCursor

ALL, THIS = "all", "this"

Services = Mapping[str, ServiceStatus]


def choices(kind: ActionKind, job: Job, under: UnderCursor) -> Sequence[Choice]:
    """The answers of the question what to start, stop or restart.

    :param under: what the cursor is on.
    """
    found = [Choice(ALL, f"{kind} all of {job.name} ({count(len(job.instances), 'instance')})")]
    names = [i.name for i in under.instances]
    if names:  # of several, each is an answer of its own below
        which = " and ".join(names) if len(names) <= 2 else count(len(names), "instance")
        found.append(Choice(THIS, f"{kind} only {which}"))
    if 1 < len(names) <= NAMED:
        found += [Choice(name, f"{kind} only {name}") for name in names]
    return [*found, CANCEL] if kind == "start" else [CANCEL, *reversed(found)]


def chosen(answer: str, job: Job, under: UnderCursor) -> list[Instance]:
    """The instances that ``answer``, a key of :func:`choices`, is about."""
    if answer == ALL:
        return list(job.instances)
    return [i for i in under.instances if answer in (THIS, i.name)]


def situation(
    kind: ActionKind,
    job: Job,
    under: UnderCursor,
    status: FleetStatus | None,
    left_over: Callable[[OrphanStatus], bool],
) -> str:
    """What runs, what is not known to run, and what a stop affects, as lines.

    :param status: None before any node answered.
    :param left_over: whether stopping all stops this orphan, too.
    """
    place = f"The cursor is on {under.name}" if under.name else "The cursor is on no row"
    if under.marked:
        place = f"Marked: {under.name}"
    lines = [f"{place}{'' if under.instances else ', where nothing of the job runs'}."]
    if status is None:
        return "\n".join([*lines, "Running now: not known yet."])
    counted = among_nodes(under.nodes, status.problems)
    if len(under.nodes) > NAMED and counted != count(len(under.nodes), "node"):
        lines.append(f"These are {counted}.")
    of_job = tuple(dict.fromkeys(i.node for i in job.instances))
    if len(of_job) > NAMED and set(of_job) != set(under.nodes):
        lines.append(f"All of {job.name}: {among_nodes(of_job, status.problems)}.")
    lines += _running(status)
    if kind == "stop":
        ended = [o for o in status.orphans if left_over(o)]
        if ended:
            lines.append(f"All also ends {_with_reasons(ended)}.")
        if others := [o for o in status.orphans if o not in ended]:
            lines.append(f"Runs on: {_with_reasons(others)}.")
    if kind != "start" and (hit := hit_by_stop(job, under.instances, status.services)):
        lines.append(hit)
    return "\n".join(lines)


def _running(status: FleetStatus) -> Iterator[str]:
    services = status.services
    running = [name for name, service in services.items() if service.state in ALIVE_STATES]
    unknown = [name for name, service in services.items() if service.state == "unknown"]
    unasked = [n for n in unknown if status.nodes[services[n].node].ssh.unasked]
    if len(unasked) == len(services) > 0:
        yield "Running now: not known yet."
        return
    none = "nothing that is known" if unknown else "nothing"
    if len(running) > NAMED:
        yield f"Running now: {len(running)} of {len(services)} instances."
        if still := [name for name in services if name not in {*running, *unknown}]:
            yield f"Not running: {first_ones(still)}."
    else:
        yield f"Running now: {', '.join(running) or none}."
    if unasked:
        yield f"Not known yet: {first_ones(unasked)}."
    if lost := [name for name in unknown if name not in unasked]:
        yield f"Not known, for it cannot be asked: {first_ones(lost)}."


def _with_reasons(orphans: Sequence[OrphanStatus]) -> str:
    return first_ones([f"{orphan.name} ({orphan.reason})" for orphan in orphans])


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
    what = named([i.name for i in chosen], "instance")
    verb = "loses" if len(losing) == 1 else "lose"
    return f"stops {what}: {first_ones(losing)} {verb} it"
