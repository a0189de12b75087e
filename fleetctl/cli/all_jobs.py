"""``--job all``: the same for one job after the other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

import click

from fleetctl.cli.action import show_json
from fleetctl.fleet import LiveFleet
from fleetctl.model.jobs import Instance

RESULTS_SCHEMA = "fleetctl.results/1"
Told = Callable[[Mapping[str, object]], object]
"""Takes the outcome for one job."""


async def one_after_the_other(
    pairs: Sequence[tuple[LiveFleet, list[Instance]]],
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
        name = service.job.name if service.job else ""

        def keep(outcome: Mapping[str, object], name: str = name) -> None:
            outcomes[name] = outcome

        if of_all:
            click.echo(f"job {name}:", err=True)
        codes.append(await act(service, chosen, keep if of_all else None))
    if of_all and as_json:
        show_json({"schema": RESULTS_SCHEMA, "ok": not any(codes), "jobs": outcomes})
    return max(codes)
