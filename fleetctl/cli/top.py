"""``fleetctl top``: how far the job is, a row for each rank, again and again."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import termios
import tty
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, contextmanager, suppress
from datetime import datetime
from shutil import get_terminal_size
from typing import Any

import click
import msgspec
from msgspec import Struct

from fleetctl.cli.context import Context, instances_of_each
from fleetctl.cli.progress_table import tables
from fleetctl.cli.reader import while_read
from fleetctl.cli.terminal import PLAIN_SCREEN, require_screen
from fleetctl.model.jobs import Instance
from fleetctl.model.progress_status import JobProgress, ProgressStatus
from fleetctl.model.status import FleetStatus, Problem, ServiceState
from fleetctl.service import FleetService

SCHEMA = "fleetctl.top/1"
_SCREEN = "\x1b[?1049h\x1b[?25l"
"""The alternate screen, without a cursor."""
_LEAVE = "qQ"
INTERVAL_S = 2.0


class RankRow(Struct, frozen=True):
    """An instance in the JSON."""

    service: str
    node: str
    rank: int
    state: ServiceState
    progress: ProgressStatus | None


class TopView(Struct, frozen=True):
    """The JSON (docs/cli.md, "fleetctl.top/1"), which is a part of fleetctl.status/1."""

    schema: str
    fleet: str
    job: str | None
    generated_at: datetime
    progress: JobProgress | None
    services: Mapping[str, RankRow]
    problems: tuple[Problem, ...]
    """Of those shown."""
    jobs: Mapping[str, TopView] = {}
    """By name, where all of them are shown; then ``services`` is empty."""


Shown = Sequence[tuple[FleetService, Sequence[Instance] | None]]
"""The service of each job, and the instances that are shown; None: all."""


@click.command(short_help="how far the job is: step, rate, lag and loss of each rank")
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@click.option("--once", is_flag=True, help="Print it once, and exit.")
@click.option("--json", "as_json", is_flag=True, help="JSON; without --once a line each time.")
@click.option(
    "--every",
    default=INTERVAL_S,
    show_default=True,
    type=click.FloatRange(min=0.2),
    metavar="S",
    help="Seconds from one look to the next.",
)
@click.pass_obj
def command(
    context: Context, targets: tuple[str, ...], once: bool, as_json: bool, every: float
) -> int:
    """Show how far each rank is: step, rate, time since the last step, lag, loss.

    It is read from what they print, in the same look as everything else. q leaves. With --job all,
    there is a table for each job.
    """
    if not once and not as_json:
        require_screen("top", instead="`fleetctl top --once` prints it once")
    return asyncio.run(_top(context, targets, once, as_json, every))


async def _top(
    context: Context, targets: tuple[str, ...], once: bool, as_json: bool, every_s: float
) -> int:
    async with context.service(several=True) as service:
        services = context.each_job(service)
        of_all = context.means_all(service.fleet)
        chosen = instances_of_each(services, targets) if targets else [None] * len(services)
        shown = [pair for pair in zip(services, chosen, strict=True) if pair[1] != [] or not of_all]
        if once:
            found = await asyncio.gather(*(one.observe(which) for one, which in shown))
            if as_json:
                click.echo(msgspec.json.format(msgspec.json.encode(_view(found, of_all=of_all))))
            else:
                click.echo("\n".join(tables(found)))
        elif as_json:
            await while_read(_print_each(shown, every_s, of_all=of_all))
        else:
            return await _live(shown, every_s)
        return 0


async def _statuses(shown: Shown, every_s: float) -> AsyncGenerator[list[FleetStatus], None]:
    async with AsyncExitStack() as stack:
        watches = [
            (await stack.enter_async_context(service.watch(every_s, "status")), chosen)
            for service, chosen in shown
        ]
        for watched, _ in watches:
            await watched.all_asked()
        while True:
            yield [watched.snapshot(chosen).status for watched, chosen in watches]
            await asyncio.sleep(every_s)


async def _print_each(shown: Shown, every_s: float, *, of_all: bool) -> None:
    async with aclosing(_statuses(shown, every_s)) as looks:
        async for statuses in looks:
            click.echo(msgspec.json.encode(_view(statuses, of_all=of_all)))


def _view(statuses: Sequence[FleetStatus], *, of_all: bool) -> TopView:
    """What the JSON has of all jobs."""
    views = [view(status) for status in statuses]
    if not of_all:
        return views[0]
    return msgspec.structs.replace(
        views[0],
        job=None,
        progress=None,
        services={},
        problems=(),
        jobs={one.job: one for one in views if one.job},
    )


def view(status: FleetStatus) -> TopView:
    """What the JSON has of ``status``."""
    shown = status.services
    nodes = {service.node for service in shown.values()}
    return TopView(
        schema=SCHEMA,
        fleet=status.fleet,
        job=status.job,
        generated_at=status.generated_at,
        progress=status.progress,
        services={
            name: RankRow(s.service, s.node, s.rank, s.state, s.progress)
            for name, s in shown.items()
        },
        problems=tuple(
            p for p in status.problems if p.node in nodes or not shown.keys().isdisjoint(p.affects)
        ),
    )


async def _live(shown: Shown, every_s: float) -> int:
    """Draw it on the whole screen until q, Ctrl-C or a signal; the exit code."""
    loop = asyncio.get_running_loop()
    left: asyncio.Future[int] = loop.create_future()

    def leave(code: int) -> None:
        if not left.done():
            left.set_result(code)

    def typed() -> None:
        keys = os.read(0, 1024)
        if not keys or any(key in keys.decode("ascii", "replace") for key in _LEAVE):
            leave(0)

    with _screen():
        loop.add_reader(0, typed)
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, leave, 128 + number)
        drawing = asyncio.create_task(_draw(shown, every_s))
        try:
            over: list[asyncio.Future[Any]] = [drawing, left]
            await asyncio.wait(over, return_when=asyncio.FIRST_COMPLETED)
            if drawing.done():
                drawing.result()
        finally:
            loop.remove_reader(0)
            drawing.cancel()
            await asyncio.gather(drawing, return_exceptions=True)
    return left.result()


async def _draw(shown: Shown, every_s: float) -> None:
    _paint(["asking …"])
    async with aclosing(_statuses(shown, every_s)) as looks:
        async for statuses in looks:
            rows = get_terminal_size((80, 24)).lines
            _paint(tables(statuses, rows=rows, foot=f"every {every_s:g} s; q leaves"))


def _paint(lines: Sequence[str]) -> None:
    sys.stdout.write("\x1b[H" + "\r\n".join(f"{line}\x1b[K" for line in lines) + "\x1b[J")
    sys.stdout.flush()


@contextmanager
def _screen() -> Iterator[None]:
    """The alternate screen, and keys as they are typed; both are given back."""
    before = termios.tcgetattr(0)
    try:
        tty.setcbreak(0)
        sys.stdout.write(_SCREEN)
        yield
    finally:
        with suppress(termios.error, OSError):  # the terminal is gone
            sys.stdout.write(PLAIN_SCREEN)
            sys.stdout.flush()
            termios.tcsetattr(0, termios.TCSADRAIN, before)
