"""``fleetctl top``: how far the job is, a row for each rank, again and again."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import termios
import tty
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager, suppress
from datetime import datetime
from shutil import get_terminal_size
from typing import Any

import click
import msgspec
from msgspec import Struct

from fleetctl.cli.context import Context, instances
from fleetctl.cli.progress_table import top_lines
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

    It is read from what they print, in the same look as everything else. q leaves.
    """
    if not once and not as_json:
        require_screen("top", instead="`fleetctl top --once` prints it once")
    return asyncio.run(_top(context, targets, once, as_json, every))


async def _top(
    context: Context, targets: tuple[str, ...], once: bool, as_json: bool, every_s: float
) -> int:
    async with context.service() as service:
        chosen = instances(service, targets) if targets else None
        if once:
            _print(await service.observe(chosen), as_json)
        elif as_json:
            await while_read(_print_each(service, chosen, every_s))
        else:
            return await _live(service, chosen, every_s)
        return 0


async def _statuses(
    service: FleetService, chosen: Sequence[Instance] | None, every_s: float
) -> AsyncGenerator[FleetStatus, None]:
    async with service.watch(every_s, "status") as watched:
        await watched.all_asked()
        while True:
            yield watched.snapshot(chosen).status
            await asyncio.sleep(every_s)


async def _print_each(
    service: FleetService, chosen: Sequence[Instance] | None, every_s: float
) -> None:
    async with aclosing(_statuses(service, chosen, every_s)) as statuses:
        async for status in statuses:
            click.echo(msgspec.json.encode(view(status)))


def _print(status: FleetStatus, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(view(status))))
    else:
        click.echo("\n".join(top_lines(status)))


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


async def _live(service: FleetService, chosen: Sequence[Instance] | None, every_s: float) -> int:
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
        drawing = asyncio.create_task(_draw(service, chosen, every_s))
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


async def _draw(service: FleetService, chosen: Sequence[Instance] | None, every_s: float) -> None:
    _paint(["asking …"])
    async with aclosing(_statuses(service, chosen, every_s)) as statuses:
        async for status in statuses:
            rows = get_terminal_size((80, 24)).lines
            _paint(top_lines(status, rows=rows, foot=f"every {every_s:g} s; q leaves"))


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
