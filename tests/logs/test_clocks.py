"""Clocks of nodes that differ, and the times of their lines."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from fleetctl.errors import LinkLost
from fleetctl.logs.clocks import Clocks
from fleetctl.logs.events import LogBatch, LogEvent, LogNotice, Wanted
from fleetctl.logs.feed import feed, past
from fleetctl.logs.segments import LogLocation
from tests.clock import jumping
from tests.logs.loggers import write_segments
from tests.logs.test_feed import INSTANCE, NAME
from tests.openssh import Server, bounded, until
from tests.simulated import SimulatedFleet

LOG = LogLocation("flotte", "edp", NAME)
SENTENCE = (
    "the clock of pi4 is 1h00m ahead of this machine's; the times of its lines are corrected by "
    "that"
)


def clocks(offset_s: float | None) -> Clocks:
    async def ask(_: str) -> float | None:
        return offset_s

    return Clocks(ask)


@pytest.mark.parametrize(
    ("offset_s", "corrected_s"),
    [(None, 0.0), (0.4, 0.0), (-1.0, 0.0), (1.1, 1.1), (-90.0, -90.0)],
)
def test_only_what_is_more_than_a_second_is_corrected(
    offset_s: float | None, corrected_s: float
) -> None:
    async def body() -> None:
        asked = clocks(offset_s)
        assert await asked.ahead_s("pi4") == corrected_s
        assert bool(asked.news("pi4")) == bool(corrected_s)
        assert asked.news("pi4") == ""

    asyncio.run(body())


def test_each_node_is_asked_once_and_again_after_it_was_lost() -> None:
    asked: list[str] = []

    async def ask(node: str) -> float:
        asked.append(node)
        await asyncio.sleep(0)
        if len(asked) == 1:
            raise LinkLost(node, "gone")
        return 3600.0

    async def body() -> None:
        found = Clocks(ask)
        with pytest.raises(LinkLost):
            await found.ahead_s("pi4")
        assert await asyncio.gather(*[found.ahead_s("pi4")] * 3) == [3600.0] * 3
        assert asked == ["pi4", "pi4"]
        assert found.news("pi4") == SENTENCE

    asyncio.run(body())


@pytest.fixture
def folder(sshd: Server) -> Path:
    return sshd.home / ".local/state/fleetctl/flotte/edp" / NAME / "log"


@pytest.mark.parametrize("ahead_s", [3600, -3600])
def test_past_lines_have_times_of_this_machine_s_clock(
    sshd: Server, folder: Path, ahead_s: int
) -> None:
    now = int(time.time())
    old, new = now + ahead_s - 600, now + ahead_s - 60  # by the node's clock
    write_segments(folder, {0: b"old\nnew\n"}, {0: f"{old} 4\n{new} 8\n"})

    async def body() -> None:
        async with sshd.links() as links:
            everything = await past(links, LOG, "pi4", Wanted(), clocks(ahead_s))
            assert everything.index and everything.ahead_s == ahead_s
            assert [everything.index.at(end) for end in (4, 8)] == [now - 600, now - 60]
            recent = await past(links, LOG, "pi4", Wanted(since_s=300), clocks(ahead_s))
            assert recent.data == b"new\n"
            asked = clocks(ahead_s)
            await past(links, LOG, "pi4", Wanted(times=False), asked)
            assert asked.news("pi4") == "", "the clock does not matter"

    bounded(body())


def test_a_correction_is_told_once_when_logs_are_followed(sshd: Server, folder: Path) -> None:
    write_segments(folder, {0: b"old\n"}, {0: "5000 4\n"})
    events: list[LogEvent] = []

    async def body() -> None:
        async with sshd.links() as links:
            following = asyncio.create_task(
                feed(
                    links, "flotte", [INSTANCE] * 2, Wanted(), events.append, clocks=clocks(3600.0)
                )
            )
            await until(lambda: len(events) == 3, "both logs")
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    bounded(body())
    assert [e.text for e in events if isinstance(e, LogNotice)] == [SENTENCE]
    assert [e.at for e in events if isinstance(e, LogBatch)] == [1400.0] * 2


@pytest.mark.parametrize("told", [True, False])
def test_the_clock_of_a_node_is_asked_alone(told: bool) -> None:
    async def body() -> None:
        links = SimulatedFleet(["pi4"])
        node = links.node["pi4"]
        if told:
            node.told["clock"] = f"{int(time.time()) + 3600}\n"
        service = links.service(None)
        offset_s = await service.observer.clock_offset_s("pi4")
        assert (offset_s is None) != told
        assert offset_s is None or abs(offset_s - 3600) < 2
        (script,) = node.of("look")
        assert "records" not in script.text

    jumping(body())
