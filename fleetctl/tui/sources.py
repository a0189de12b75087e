"""The dashboard's sources: each a coroutine of a worker, which posts messages."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic

from textual.message import Message

from fleetctl.logs.events import LogEvent, Wanted
from fleetctl.service import FleetService
from fleetctl.tui.messages import LogsArrived, SnapshotTaken
from fleetctl.undertakings import Watching

Post = Callable[[Message], object]

SOONEST_S = 0.1
"""Least time between two snapshots; more where making one is slow: at most a tenth of a core."""
CALM_S = 1.5
"""Time between two snapshots while nothing urgent happens."""
OLDEST_S = 5.0
"""A snapshot is taken this often even without news, so that ages stay right."""
LOGS_EVERY_S = 0.1


async def watch_fleet(watch: Watching, post: Post, may: Callable[[], Awaitable[None]]) -> None:
    """Post a snapshot whenever a node has news.

    :param may: waits until one may be made.
    """
    async with watch:
        while True:
            await watch.news(timeout_s=OLDEST_S)
            await may()
            began_s = monotonic()
            post(SnapshotTaken(watch.snapshot()))
            await asyncio.sleep(max(SOONEST_S, 9 * (monotonic() - began_s)))
            await watch.urgent(timeout_s=CALM_S)


async def follow_logs(service: FleetService, lines: int, post: Post) -> None:
    """Post new lines of the job's logs, ten times a second at most."""
    started = service.job.instances if service.job else ()
    job = service.job.name if service.job else None
    waiting: list[LogEvent] = []
    came = asyncio.Event()

    def took(event: LogEvent) -> None:
        waiting.append(event)
        came.set()

    async def hand_over() -> None:
        while True:
            await came.wait()
            came.clear()
            post(LogsArrived(tuple(waiting), job))
            waiting.clear()
            await asyncio.sleep(LOGS_EVERY_S)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(hand_over())
        tasks.create_task(service.follow_logs(started, Wanted(lines=lines), took, tails=True))
