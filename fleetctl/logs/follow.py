"""Following one log from a byte on, across rotation, restarts and lost connections."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import AsyncIterator

from msgspec import Struct

from fleetctl.errors import LinkError, LinkHung
from fleetctl.link.links import Links
from fleetctl.link.mistakes import of_node
from fleetctl.link.protocol import Link, Stream
from fleetctl.logs.lines import Framer
from fleetctl.logs.segments import LogLocation

_ROTATION_CHECK_S = 0.1
_IDLE_CHECK_S = 1.0
# a log is rotated only while it grows, so an idle one is checked less often
_GIVEN_UP_S = 1.0
_HEAD_TIMEOUT_S = 60.0
_HEAD_BYTES = 8 * 1024 * 1024  # with what follows the head in the same read
_BACKOFF_S = (0.2, 0.5, 1.0, 2.0, 5.0)
LOGS_PER_LANE = 6
TORN_EVERY_S = 0.2


class Lines(Struct, frozen=True):
    """Complete lines, unchanged."""

    offset: int
    data: bytes


class Gap(Struct, frozen=True):
    """Bytes that were rotated away before they could be read."""

    offset: int
    missing_bytes: int


class Cut(Struct, frozen=True):
    """The node cannot be reached; following goes on once it can."""

    reason: str


class Resumed(Struct, frozen=True):
    """The node can be reached again."""


class Torn(Struct, frozen=True):
    """The unfinished last line as it is now."""

    data: bytes


Event = Lines | Gap | Cut | Resumed | Torn


async def follow(
    place: LogLocation, node: str, links: Links, offset: int, *, lane: int = 0, torn: bool = False
) -> AsyncIterator[Event]:
    """The events of the log from ``offset`` on. Never ends.

    :param lane: as of :meth:`fleetctl.link.links.Links.get`; one takes :data:`LOGS_PER_LANE` logs.
    :param torn: whether an unfinished last line is reported, as :class:`Torn`, whenever it has
        changed, at most every :data:`TORN_EVERY_S`.

    Every byte comes exactly once, in order, however often the connection breaks: each attempt goes
    on at the first byte not read yet.
    """
    framer = Framer(offset)
    failures = 0
    while True:
        try:
            with of_node(node):
                link = await links.get(node, lane)
                async with link.stream(place.script("follow", offset=framer.position)) as stream:
                    async for event in _segment(link, stream, framer, torn):
                        if failures:
                            failures = 0
                            yield Resumed()
                        if not isinstance(event, Resumed):
                            yield event
        except LinkError as error:
            if not failures:
                yield Cut(error.reason)
            pause = _BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)]
            failures += 1
            # jitter: all followers of a node retry at the same time
            await asyncio.sleep(pause * random.uniform(0.7, 1.3))


async def _segment(link: Link, stream: Stream, framer: Framer, torn: bool) -> AsyncIterator[Event]:
    """``Resumed`` once the node answers, then lines from the framer's offset to the end of the
    segment that was the newest when the command began, or until there is a better link.

    :raises LinkError: the node is lost, or the log cannot be read there.
    """
    position, data = await _head(link.node, stream)
    yield Resumed()
    if position > framer.position:
        yield Gap(framer.offset, position - framer.offset)
    if position != framer.position:  # if smaller: the node lost its last bytes, or the log is new
        framer.jump(position)
        if torn:
            yield Torn(b"")
    idle_s = 0.0
    told, told_at_s = b"", -TORN_EVERY_S
    while True:
        start, whole = framer.feed(data)
        if whole:
            yield Lines(start, whole)
            told = b""
        if torn and time.monotonic() - told_at_s >= TORN_EVERY_S and framer.last_line != told:
            told, told_at_s = framer.last_line, time.monotonic()
            yield Torn(told)
        following = re.search(rb"^next (\d+)\n", stream.stderr, re.M)
        if link.outdated:
            return
        # idle before the next segment's offset: the bytes in between were rotated away
        if following and (framer.position >= int(following[1]) or idle_s >= _GIVEN_UP_S):
            return
        wait_s = _IDLE_CHECK_S if idle_s >= _GIVEN_UP_S and not following else _ROTATION_CHECK_S
        try:
            data = await stream.read(wait_s)
            idle_s = 0.0
        except LinkHung:
            data = b""
            idle_s += wait_s
            continue
        if not data:
            if re.search(rb"^next 0\n", stream.stderr, re.M):
                return
            raise _unreadable(link.node, stream)


async def _head(node: str, stream: Stream) -> tuple[int, bytes]:
    """The offset of the first byte that follows, and the bytes read so far."""
    data = b""
    while b"\n" not in data:
        more = await stream.read(_HEAD_TIMEOUT_S)
        if not more:
            raise _unreadable(node, stream)
        data += more
        if len(data) > _HEAD_BYTES:
            break
    head, _, data = data.partition(b"\n")
    try:
        return int(head.split()[0]), data
    except (ValueError, IndexError):
        raise LinkError(node, f"its log cannot be read: {head[:200]!r}") from None


def _unreadable(node: str, stream: Stream) -> LinkError:
    said = stream.stderr.decode("utf-8", "replace").strip()[-200:]
    return LinkError(node, f"its log cannot be read any more{said and ': ' + said}")
