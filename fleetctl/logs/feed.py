"""Following the logs of several instances at once: their last lines, then new ones."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence

import msgspec

from fleetctl.errors import LinkError
from fleetctl.link.links import Links
from fleetctl.link.mistakes import of_node
from fleetctl.logs.clocks import Clocks
from fleetctl.logs.events import (
    DEFAULT_LINES,
    LogBatch,
    LogEvent,
    LogNotice,
    LogTail,
    PastLog,
    Wanted,
    sentence,
)
from fleetctl.logs.follow import LOGS_PER_LANE, Cut, Gap, Lines, Resumed, Torn, follow
from fleetctl.logs.lines import TimeIndex, shown
from fleetctl.logs.segments import LogLocation, Span, read_index, read_span
from fleetctl.model.jobs import LogSource, PrepareLog

RETRY_S = 1.0
"""How often a node that cannot be reached at first is asked again."""
_WHOLE = 1 << 40


async def feed(
    links: Links,
    fleet: str,
    sources: Sequence[LogSource],
    wanted: Wanted,
    took: Callable[[LogEvent], object],
    *,
    tails: bool = False,
    clocks: Clocks | None = None,
) -> None:
    """Call ``took`` with the wanted lines of every source that has a command, then with new
    lines: each once, across restarts, rotation and lost connections.

    A node that is lost gives a :class:`LogNotice`, and delays no other. Never returns; ends when
    it is cancelled, or with an error raised by ``took``.

    :param tails: whether unfinished lines are reported too, as :class:`LogTail`.
    :param clocks: for the times of past lines; a correction is a :class:`LogNotice`, once a node.
    """
    chosen = [s for s in sources if isinstance(s, PrepareLog) or s.command is not None]
    nodes = [source.node for source in chosen]

    async def one(place: int) -> None:
        source = chosen[place]
        node = source.node
        lane = nodes[:place].count(node) // LOGS_PER_LANE
        log = LogLocation.of(fleet, source)
        past = wanted
        if isinstance(source, PrepareLog) and source.only_new:
            past = Wanted(lines=0, times=wanted.times)
        async for event in _events(links, log, node, past, clocks, lane=lane, tails=tails):
            took(event)

    followers = [asyncio.create_task(one(place)) for place in range(len(chosen))]
    try:
        await asyncio.gather(*followers)
    finally:  # after an error in one, end the others before the links close
        for follower in followers:
            follower.cancel()
        await asyncio.gather(*followers, return_exceptions=True)


async def past_of_all(
    links: Links, fleet: str, sources: Sequence[LogSource], wanted: Wanted, clocks: Clocks
) -> dict[str, PastLog | LinkError]:
    """The past lines of every source, by its name, or why they cannot be read."""

    async def read(source: LogSource) -> PastLog | LinkError:
        try:
            with of_node(source.node):
                log = LogLocation.of(fleet, source)
                return await past(links, log, source.node, wanted, clocks)
        except LinkError as error:
            return error

    found = await asyncio.gather(*map(read, sources))
    return {source.name: log for source, log in zip(sources, found, strict=True)}


async def past(
    links: Links, log: LogLocation, node: str, wanted: Wanted, clocks: Clocks | None = None
) -> PastLog:
    """The past lines, with an unfinished last one.

    :raises LinkError: the node is lost, or the log cannot be read.
    """
    link = await links.get(node)
    ahead_s = await clocks.ahead_s(node) if clocks and wanted.by_clock else 0.0
    if wanted.since_s is not None:
        second = int(time.time() - wanted.since_s + ahead_s)
        head = await read_span(link, log.script("since", seconds=second))
        span = await read_span(link, log.script("from", offset=head.start, limit=_WHOLE))
        if wanted.lines is not None:
            span = _last(span, wanted.lines)
    else:
        lines = DEFAULT_LINES if wanted.lines is None else wanted.lines
        span = await read_span(link, log.script("last", lines=lines))
    index = TimeIndex(await read_index(link, log, span.start), ahead_s) if wanted.times else None
    return PastLog(span.start, span.data, index, ahead_s)


def _last(span: Span, lines: int) -> Span:
    kept = b"".join(span.data.splitlines(keepends=True)[-lines:]) if lines else b""
    return msgspec.structs.replace(span, start=span.start + len(span.data) - len(kept), data=kept)


async def _events(
    links: Links,
    log: LogLocation,
    node: str,
    wanted: Wanted,
    clocks: Clocks | None,
    *,
    lane: int,
    tails: bool,
) -> AsyncIterator[LogEvent]:
    """One log's past lines, then its new ones."""
    name = log.instance
    lost = False
    while True:
        try:
            with of_node(node):
                found = await past(links, log, node, wanted, clocks)
            break
        except LinkError as error:
            if not lost:
                yield LogNotice(name, sentence(error), time.time())
            lost = True
            await asyncio.sleep(RETRY_S)
    if lost:
        yield LogNotice(name, "reached again", time.time())
    if clocks and (differs := clocks.news(node)):
        yield LogNotice(name, differs, time.time())
    whole = found.data[: found.data.rfind(b"\n") + 1]
    for batch in _stamped(name, found.start, whole, found.index):
        yield batch
    start = found.start + len(whole)
    async for event in follow(log, node, links, start, lane=lane, torn=tails):
        now = time.time()
        match event:
            case Lines(offset, data):
                yield LogBatch(name, offset, data, now, now)
            case Torn(data):
                yield LogTail(name, shown(data))
            case Gap(_, missing):
                yield LogNotice(
                    name, f"{missing} bytes were rotated away before they were read", now
                )
            case Cut(reason):
                yield LogNotice(name, f"{reason}; going on where it stopped once it is back", now)
            case Resumed():
                yield LogNotice(name, "reached again", now)


def _stamped(name: str, start: int, data: bytes, index: TimeIndex | None) -> Iterator[LogBatch]:
    """Complete lines as batches, one per second in which lines were written."""
    now = time.time()
    if index is None:
        if data:
            yield LogBatch(name, start, data, now, None)
        return
    began = 0
    at: float | None = None
    place = 0
    while place < len(data):
        end = data.index(b"\n", place) + 1
        when = index.at(start + end)
        if when != at and place > began:
            yield LogBatch(name, start + began, data[began:place], now, at)
            began = place
        at, place = when, end
    if place > began:
        yield LogBatch(name, start + began, data[began:place], now, at)
