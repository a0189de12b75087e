"""Following several logs at once: past lines with times, marks, unfinished last lines."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from msgspec.structs import replace

from fleetctl.link.links import Links
from fleetctl.logs import feed as module
from fleetctl.logs import follow as follow_module
from fleetctl.logs.events import LogBatch, LogEvent, LogNotice, LogTail, PastLog, Wanted
from fleetctl.logs.feed import feed
from fleetctl.logs.follow import Cut, Event, Gap, Lines, Resumed, Torn
from fleetctl.model.jobs import Instance
from fleetctl.model.topology import Fleet
from tests.launch.jobs import instance
from tests.logs.loggers import Logger, write_segments
from tests.openssh import Server, bounded, until

pytestmark = pytest.mark.usefixtures("client_home")

NAME = "worker@pi4"
INSTANCE = instance(job="edp", service="worker", node="pi4", command="true")


@pytest.fixture
def server(make_sshd: Callable[..., Server], monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setattr(follow_module, "_BACKOFF_S", (0.05,))
    monkeypatch.setattr(module, "RETRY_S", 0.05)
    return make_sshd()


@pytest.fixture
def folder(server: Server) -> Path:
    return server.home / ".local/state/fleetctl/flotte/edp" / NAME / "log"


@asynccontextmanager
async def _fed(
    links: Links, instances: Sequence[Instance] = (INSTANCE,), wanted: Wanted | None = None
) -> AsyncIterator[list[LogEvent]]:
    """The events so far."""
    events: list[LogEvent] = []
    task = asyncio.create_task(
        feed(links, "flotte", instances, wanted or Wanted(), events.append, tails=True)
    )
    try:
        yield events
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _data(events: Sequence[LogEvent]) -> bytes:
    return b"".join(event.data for event in events if isinstance(event, LogBatch))


def test_past_lines_have_their_times_and_new_ones_the_moment(server: Server, folder: Path) -> None:
    write_segments(folder, {0: b"one\ntwo\nthree\nfour\n"}, {0: "1000 4\n1001 14\n"})

    async def body() -> None:
        async with server.links() as links, _fed(links, wanted=Wanted(lines=3)) as events:
            await until(lambda: _data(events).endswith(b"four\n"), "the past")
            past = [event for event in events if isinstance(event, LogBatch)]
            assert [(e.offset, e.data, e.at) for e in past] == [
                (4, b"two\nthree\n", 1001.0),
                (14, b"four\n", None),
            ]
            with (folder / "0.log").open("ab") as file:
                file.write(b"five\n")
            await until(lambda: _data(events).endswith(b"five\n"), "the new line")
            new = events[-1]
            assert isinstance(new, LogBatch)
            assert (new.offset, new.at) == (19, new.came)
            assert abs(new.came - time.time()) < 20

    bounded(body())


def test_an_unfinished_last_line_is_reported_as_it_changes(server: Server, folder: Path) -> None:
    """As of a progress bar: not every change, but its last state."""
    logger = Logger(folder)
    logger.write(b"before\n")

    async def body() -> None:
        async with server.links() as links, _fed(links) as events:
            await until(lambda: _data(events) == b"before\n", "the past")
            began = time.monotonic()
            for percent in range(1, 101):
                logger.write(b"\r\x1b[32m%3d%%\x1b[0m\x1b[K" % percent)
                await asyncio.sleep(0.01)
            await until(
                lambda: events[-1] == LogTail(NAME, "\x1b[32m100%\x1b[0m"), "the last state"
            )
            tails = [event for event in events if isinstance(event, LogTail)]
            assert 2 <= len(tails) <= (time.monotonic() - began) / 0.2 + 2
            logger.write(b"\rdone\nnext")
            await until(lambda: events[-1] == LogTail(NAME, "next"), "the next one")
            assert _data(events).startswith(b"before\n\r\x1b[32m  1%")
            assert _data(events).endswith(b"\rdone\n")

    try:
        bounded(body())
    finally:
        logger.finish()


def test_a_lost_node_is_a_mark_and_delays_no_other(server: Server, folder: Path) -> None:
    write_segments(folder, {0: b"one\n"}, {})
    nodes = {"pi4": server.node("pi4"), "gone": server.node("gone")}
    nodes["gone"] = replace(nodes["gone"], ssh=replace(server.ssh(), port=1))
    gone = instance(job="edp", service="worker", node="gone", command="true")
    watched = instance(job="edp", service="ipad", node="pi4", command=None)

    async def body() -> None:
        async with (
            Links(Fleet("test", {}, nodes)) as links,
            _fed(links, [gone, watched, INSTANCE]) as events,
        ):
            await until(lambda: _data(events) == b"one\n", "the other one's line")
            await until(lambda: len(events) == 2, "the mark")
            (mark,) = (event for event in events if isinstance(event, LogNotice))
            assert mark.instance == "worker@gone"
            server.cut()
            await until(lambda: len(events) == 4, "lost and reached again")
            lost, again = events[2:]
            assert isinstance(lost, LogNotice) and isinstance(again, LogNotice)
            assert lost.text.endswith("; going on where it stopped once it is back")
            assert (again.instance, again.text) == (NAME, "reached again")
            assert len([e for e in events if e.instance == "worker@gone"]) == 1

    bounded(body())


def test_an_error_of_the_callback_ends_all_followers(server: Server, folder: Path) -> None:
    write_segments(folder, {0: b"one\n"}, {})

    def broken(_: LogEvent) -> None:
        raise BrokenPipeError

    async def body() -> None:
        async with server.links() as links:
            other = instance(job="edp", service="other", node="pi4", command="true")
            with pytest.raises(BrokenPipeError):
                await feed(links, "flotte", [INSTANCE, other], Wanted(), broken)

    bounded(body())


def test_what_happens_to_a_log_becomes_lines_marks_and_tails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def past(*_: object) -> PastLog:
        return PastLog(5, b"old\ntorn", None)

    async def follow(*given: object, **_: object) -> AsyncIterator[Event]:
        assert given[3] == 9, "the torn line comes again when it is whole"
        for event in (
            Torn(b"bar\x1b[2K"),
            Gap(20, 7),
            Cut("no answer"),
            Resumed(),
            Lines(30, b"x\n"),
        ):
            yield event
        await asyncio.sleep(60)

    monkeypatch.setattr(module, "past", past)
    monkeypatch.setattr(module, "follow", follow)

    async def body() -> None:
        async with Links(Fleet("test", {}, {})) as links, _fed(links) as events:
            await until(lambda: len(events) == 6, "all came")
        told = [e.data if isinstance(e, LogBatch) else (type(e), e.text) for e in events]
        assert told == [
            b"old\n",
            (LogTail, "bar"),
            (LogNotice, "7 bytes were rotated away before they were read"),
            (LogNotice, "no answer; going on where it stopped once it is back"),
            (LogNotice, "reached again"),
            b"x\n",
        ]

    bounded(body())
