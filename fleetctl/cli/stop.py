"""``fleetctl stop``: stops services and all their processes, dependents first."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from fnmatch import fnmatchcase

import click
from msgspec.structs import replace

from fleetctl.cli.action import carry_out
from fleetctl.cli.all_jobs import Told, one_after_the_other
from fleetctl.cli.context import Context
from fleetctl.errors import UsageError
from fleetctl.fleet import LiveFleet
from fleetctl.health.orphans import is_member
from fleetctl.model.jobs import Instance
from fleetctl.model.status import FleetStatus, OrphanStatus
from fleetctl.model.targets import (
    choose_instances,
    known_in_each,
    unknown_target,
    unknown_targets,
)
from fleetctl.service import Action, FleetService, Report


@click.command(short_help="stop services, dependents first; leave nothing of them running")
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@click.option(
    "--orphans",
    is_flag=True,
    help="Only what runs though the job in nodes.yaml no longer has it.",
)
@click.option("--json", "as_json", is_flag=True, help="The outcome as JSON on stdout.")
@click.pass_obj
def command(context: Context, targets: tuple[str, ...], orphans: bool, as_json: bool) -> int:
    """Stop the job, or only the TARGETs.

    Each gets its stop signal, its grace period, then KILL; it counts as stopped when its processes,
    whatever they forked, and its listening socket are gone. Logs stay on the nodes.

    What runs though nodes.yaml no longer has it is stopped, too: all of it, or what the TARGETs
    name. With --job, services of other jobs run on; it may also name a job that nodes.yaml had
    before. With --job all every job is stopped, one after the other.
    """
    return asyncio.run(_stop(context, targets, orphans, as_json))


async def _stop(context: Context, targets: Sequence[str], only: bool, as_json: bool) -> int:
    service, gone = _opened(context)
    if context.means_all(service.fleet):
        return await _stop_all(context, service, targets, only, as_json)
    async with service:
        if gone:
            only = True
            _refuse_unless_runs(context.job, gone, await service.observe())
        strange = unknown_targets(service.fleet, service.job, targets)
        if strange:  # nothing is stopped before it is known that all of them mean something
            _refuse_unless_found(service, strange, await service.observe())
        known = [target for target in targets if target not in strange]
        chosen: list[Instance] = []
        if not only and (known or not targets):
            found = choose_instances(service.fleet, service.job, known)
            chosen = [i for i in found if i.command is not None]

        def wanted(orphan: OrphanStatus) -> bool:
            other = context.job is not None and orphan.job != context.job
            if other and (gone or orphan.job in service.fleet.jobs):
                return False
            if only and not gone and is_member(service.fleet, orphan):
                return False
            return not targets or any(_names(orphan, target) for target in targets)

        def begin(report: Report) -> Action:
            return service.stop(chosen, report, orphans=wanted)

        what = f" on {', '.join(targets)}" if targets else ""
        nothing = f"there is nothing to stop{what}"
        return await carry_out(begin, chosen, "stopping", as_json, nothing=nothing)


async def _stop_all(
    context: Context, service: LiveFleet, targets: Sequence[str], only: bool, as_json: bool
) -> int:
    """Stop every job, the last one of the file first, and what is left over of any."""
    async with service:
        services = context.each_job(service)
        found, strange = known_in_each(service.fleet, [one.job for one in services], targets)
        if strange:
            _refuse_unless_found(service, strange, await service.observe())
        pairs = [
            (one, [] if only else [i for i in chosen if i.command is not None])
            for one, chosen in zip(services, found, strict=True)
        ]

        def wanted(orphan: OrphanStatus) -> bool:
            left_over = not is_member(service.fleet, orphan)
            return left_over and (not targets or any(_names(orphan, target) for target in targets))

        async def stop(one: LiveFleet, chosen: list[Instance], told: Told | None) -> int:
            def begin(report: Report) -> Action:
                return one.stop(chosen, report, orphans=wanted if one is service else None)

            nothing = "there is nothing to stop"
            return await carry_out(begin, chosen, "stopping", as_json, nothing=nothing, told=told)

        return await one_after_the_other(pairs[::-1], stop, of_all=True, as_json=as_json)


def _opened(context: Context) -> tuple[LiveFleet, UsageError | None]:
    """The fleet, and the error if nodes.yaml does not have the job of ``--job``, whose services may
    still run."""
    try:
        return context.service(several=True), None
    except UsageError as error:
        return replace(context, job=None).service(), error


def _refuse_unless_runs(job: str | None, gone: UsageError, status: FleetStatus) -> None:
    """:raises UsageError: nothing of ``job`` runs."""
    if not any(orphan.job == job for orphan in status.orphans):
        raise _with_unasked(gone, status)


def _with_unasked(error: UsageError, status: FleetStatus) -> UsageError:
    unasked = [name for name, node in status.nodes.items() if node.state == "unreachable"]
    if unasked:
        error.hint += f" What runs on {', '.join(unasked)} is not known."
    return error


def _names(orphan: OrphanStatus, target: str) -> bool:
    return any(fnmatchcase(n, target) for n in (orphan.node, orphan.service, orphan.name))


def _refuse_unless_found(
    service: FleetService, targets: Sequence[str], status: FleetStatus
) -> None:
    """:raises UsageError: one of ``targets`` names no orphan either."""
    for target in targets:
        if not any(_names(orphan, target) for orphan in status.orphans):
            raise _with_unasked(unknown_target(service.fleet, service.job, target), status)
