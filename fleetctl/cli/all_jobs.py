"""``--job all``: the same for every job of nodes.yaml."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

import click

from fleetctl.cli.action import show_json
from fleetctl.errors import UsageError
from fleetctl.fleet import LiveFleet
from fleetctl.model.collisions import collisions
from fleetctl.model.jobs import Instance
from fleetctl.service import FleetService

RESULTS_SCHEMA = "fleetctl.results/1"
Told = Callable[[Mapping[str, object]], object]
"""Takes the outcome for one job."""
Pairs = Sequence[tuple[LiveFleet, list[Instance]]]
"""The service of each job, and what is meant of it."""


def name_of(service: FleetService) -> str:
    """Of its job."""
    return service.job.name if service.job else ""


def prefix_of(service: FleetService, *, of_all: bool) -> str:
    """What stands before the names of instances where there are several jobs: ``JOB/``."""
    return f"{name_of(service)}/" if of_all else ""


def refuse_collisions(pairs: Pairs) -> None:
    """
    :raises UsageError: two of the jobs need the same port of a node.
    """
    if together := collisions([chosen for _, chosen in pairs]):
        raise UsageError(
            f"these jobs cannot run side by side: {'; '.join(together)}",
            hint="Start one of them, or give one another port in nodes.yaml.",
        )


async def one_after_the_other(
    pairs: Pairs,
    act: Callable[[LiveFleet, list[Instance], Told | None], Awaitable[int]],
    *,
    of_all: bool,
    as_json: bool,
) -> int:
    """Run ``act`` for the service and the instances of each job; one that fails does not keep the
    next from it. Returns the highest exit code.

    :param of_all: each job is named, and the JSON has the outcomes by job.
    """
    outcomes: dict[str, Mapping[str, object]] = {}
    codes = [0]
    for service, chosen in pairs:
        name = name_of(service)

        def keep(outcome: Mapping[str, object], name: str = name) -> None:
            outcomes[name] = outcome

        if of_all:
            click.echo(f"job {name}:", err=True)
        codes.append(await act(service, chosen, keep if of_all else None))
    if of_all and as_json:
        show_results(outcomes, ok=not any(codes))
    return max(codes)


def show_results(outcomes: Mapping[str, Mapping[str, object]], *, ok: bool) -> None:
    """Print the outcomes of several jobs as one object."""
    show_json({"schema": RESULTS_SCHEMA, "ok": ok, "jobs": outcomes})
