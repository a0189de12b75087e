"""``fleetctl events``: what changed in the fleet, why, and who asked for it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from fleetctl.cli.context import Context
from fleetctl.cli.event_lines import EventPrinter
from fleetctl.cli.moments import When
from fleetctl.cli.reader import while_read
from fleetctl.errors import FleetctlError, UsageError
from fleetctl.model.targets import known_in_each, unknown_target

if TYPE_CHECKING:
    from fleetctl.fleet import LiveFleet
    from fleetctl.history.store import Store
    from fleetctl.model.actions import Told
    from fleetctl.model.events import Event
    from fleetctl.model.jobs import Job
    from fleetctl.recording.keeping import Keeping

DAY = timedelta(days=1)
MOST = 10_000
LOOK_S = 2.0
QUIET_S = 60.0
"""Who watched so lately watches still."""


@click.command(short_help="what changed in the fleet, why, and who asked for it")
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@click.option("-f", "--follow", "following", is_flag=True, help="Go on with what comes, for ever.")
@click.option(
    "--since", type=When(), metavar="AGE|TIME", help="Not before: 2h, 3d, 14:30 [default: 1d]."
)
@click.option("--until", type=When(), metavar="AGE|TIME", help="Not after: as --since.")
@click.option(
    "--fresh", is_flag=True, help="Ask the nodes what is noted there, though an observer runs."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line on stdout.")
@click.pass_obj
def command(
    context: Context,
    targets: tuple[str, ...],
    following: bool,
    since: datetime | None,
    until: datetime | None,
    fresh: bool,
    as_json: bool,
) -> int:
    """Show every change of state with its time and cause, and who asked for it.

    They are kept by whatever watches the fleet on this machine. Where nothing does, the nodes are
    asked which controller did what there, so that two laptops see one story; with -f this command
    watches by itself. One cause is one event: it says how and when it was over.
    """
    if following and (until or fresh):
        raise UsageError("-f goes on with what comes, so --until and --fresh do not go with it")
    begin = since or datetime.now(UTC) - DAY
    if until and until < begin:
        raise UsageError("--until is before --since, so there is nothing in between")
    printer = EventPrinter(targets, as_json=as_json)
    return asyncio.run(_events(context, targets, following, begin, until, fresh, printer))


async def _events(
    context: Context,
    targets: Sequence[str],
    following: bool,
    since: datetime,
    until: datetime | None,
    fresh: bool,
    printer: EventPrinter,
) -> int:
    async with context.service() as service:
        _judge(service, targets)
        if following:
            await while_read(_follow(service, since, printer))
            return 0
        events = await _past(service, since, until, fresh)
        printer.take(events)
        return 0


def _judge(service: LiveFleet, targets: Sequence[str]) -> None:
    """
    :raises UsageError: a target is nothing that is in nodes.yaml.
    """
    fleet = service.fleet
    named = [target for target in targets if target not in fleet.jobs]
    jobs: list[Job | None] = [*fleet.jobs.values()] or [None]
    if named and (nowhere := known_in_each(fleet, jobs, named)[1]):
        raise unknown_target(fleet, service.job, nowhere[0])


async def _past(
    service: LiveFleet, since: datetime, until: datetime | None, fresh: bool
) -> list[Event]:
    """What is kept; where nobody else keeps it, with what the nodes have noted by now."""
    from fleetctl.history.store import Store
    from fleetctl.history.writer_lock import WriterLock
    from fleetctl.model.actions import events_of
    from fleetctl.recording.recorder import Recorder

    lock = WriterLock(service.fleet.name)
    store: Store | None = None
    kept: list[Event] = []
    noted: list[Event] = []
    try:
        alone = True
        try:
            alone = lock.take()
            lock.release()  # nodes may take long, and nobody who watches is to be kept from it
            store = Store(service.fleet.name)
            await _tell_gap(store, since, until)
        except (FleetctlError, OSError) as error:
            _note(f"what was kept is not known: {error}")
        if alone or fresh:
            told = await service.actions()
            _tell_unasked(told)
            noted = events_of({n: one.notes for n, one in told.items()}, datetime.now(UTC))
            if store and lock.take():
                recorder = Recorder(store)
                recorder.heard(told)
                try:
                    await asyncio.to_thread(recorder.write)
                except FleetctlError as error:
                    _note(f"what the nodes noted is shown, and not kept: {error}")
        if store:
            kept = await asyncio.to_thread(store.events, since, until, most=MOST)
            if len(kept) == MOST:
                _note(f"these are the newest {MOST}; for older ones: --until")
    finally:
        if store:
            store.close()
        lock.release()
    known = {event.key for event in kept}
    more = [e for e in noted if e.key not in known and since <= e.at <= (until or e.at)]
    return [*kept, *more]


async def _tell_gap(store: Store, since: datetime, until: datetime | None) -> None:
    now = until or datetime.now(UTC)
    watched = await asyncio.to_thread(store.watched, since.timestamp(), now.timestamp())
    if not watched:
        _note(
            "nobody on this machine watched the fleet in that time: only what controllers noted "
            "on the nodes is known"
        )
        return
    last_s = max(one.until_s for one in watched)
    if now.timestamp() - last_s > QUIET_S:
        when = datetime.fromtimestamp(last_s, UTC).astimezone()
        _note(
            f"nobody on this machine watched the fleet after {when:%Y-%m-%d %H:%M:%S}: of the "
            "time since then only what controllers noted on the nodes is known"
        )


def _tell_unasked(told: Mapping[str, Told]) -> None:
    for node, one in told.items():
        if one.error:
            _note(f"what controllers noted on {node} is not known: {one.error}")


async def _follow(service: LiveFleet, since: datetime, printer: EventPrinter) -> None:
    """Print what comes: what another process on this machine keeps, or what is seen from here."""
    from fleetctl.recording.keeping import Keeping

    keeping = Keeping(service, printer.take, _note, datetime.now(UTC) - since)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(keeping.run())
        tasks.create_task(_watch(service, keeping))


async def _watch(service: LiveFleet, keeping: Keeping) -> None:
    """Watch the fleet while nobody else on this machine does."""
    await keeping.begun()
    while not keeping.mine:  # noqa: ASYNC110 - another process ends without a word
        await asyncio.sleep(LOOK_S)
    async with service.watch(LOOK_S) as watch:
        while True:
            await watch.news(timeout_s=LOOK_S)
            keeping.take(watch.snapshot())
            await watch.urgent(timeout_s=LOOK_S / 2)


def _note(line: str) -> None:
    click.echo(f"note: {line}", err=True)
