"""The dashboard goes from one job of the file to another, and back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fleetctl.port_holders import Holder
from fleetctl.tui.logs.panel import LogPanel
from fleetctl.tui.widgets.nodes_panel import NodesPanel
from tests.tui.stage import FLEET, EditedFile, Screen, Stage, opened, played

OTHER = FLEET.jobs["ipad-inference"]


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
def test_the_panels_follow_and_history_stays(size: tuple[int, int]) -> None:
    async def play(screen: Screen) -> None:
        nodes = screen.app.screen.query_one(NodesPanel)
        screen.stage.write("server@mini1", "step 1 loss 5.0")
        await screen.until("step 1 loss 5.0")
        events = screen.app.events
        await screen.type("J")
        shown = await screen.until("edp is shown now")
        assert "edp             ● 5/5 ready" in shown
        assert "ipad-inference  ? 1 unknown, ○ 4 stopped" in shown
        seen = len(screen.app.seen.round_trips("mini2"))
        await screen.type("down", "enter")
        shown = await screen.until("ipad-inference ", "rank0", gone="step 1 loss")
        assert "worker" not in "".join(line for line in shown.splitlines() if "mini2" in line)
        other = screen.app.service
        assert isinstance(other, Stage) and other.job is OTHER
        await screen.until("0/5 ready")
        assert nodes is screen.app.screen.query_one(NodesPanel)
        assert len(screen.app.seen.round_trips("mini2")) >= seen
        assert screen.app.events[: len(events)] == events
        other.write("rank0@mini1", "a story begins")
        screen.stage.write("server@mini1", "step 2")
        await screen.until("a story begins", gone="step 2")
        assert sum(panel.display for panel in screen.app.screen.query(LogPanel)) == 1
        await screen.type("J", "up", "enter")
        await screen.until(" edp ● ready", "5/5 ready", "step 2", gone="a story begins")

    played(play, size=size)


def test_logs_and_their_filters_stay_and_go_on_while_another_job_is_shown() -> None:
    async def play(screen: Screen) -> None:
        screen.stage.write("server@mini1", *(f"step {number} of many" for number in range(3000)))
        await screen.until("step 2999 of many")
        await screen.type("l", "slash", *"7 of many", "enter")
        await screen.until("filter /7 of many/ 300 of 3,000", "step 2997 of many")
        await screen.type("z", "J", "down", "enter")
        await screen.until("Logs · all", "ipad-inference", gone="7 of many")
        other = screen.app.service
        assert isinstance(other, Stage) and screen.app.screen.maximized is not None
        screen.stage.write("server@mini1", "step 3007 of many", "step 3008 of many")
        other.write("rank0@mini1", "a story begins")
        await screen.until("a story begins", gone="of many")
        await screen.type("J", "up", "enter")
        said = "filter /7 of many/ 301 of 3,002", "step 3007 of many"
        await screen.until("Logs · server@mini1", *said, gone="a story begins")
        assert screen.app.screen.focused in list(screen.app.screen.query("LogLines"))
        await screen.type("z", "escape")
        await screen.until("step 3008 of many", "Topology", gone="filter /7")
        await screen.type("g")
        await screen.until("step 0 of many")
        await screen.type("J", "down", "enter")
        await screen.until("a story begins")

    async def body() -> None:
        async with opened() as screen:
            await play(screen)

    asyncio.run(asyncio.wait_for(body(), 120))


def test_keys_act_on_the_job_that_is_shown() -> None:
    async def play(screen: Screen) -> None:
        await screen.type("J", "down", "enter")
        await screen.until("ipad-inference", "0/5 ready")
        await screen.type("s")
        await screen.until("Start ipad-inference")
        await screen.type("enter")
        other: Any = screen.app.service
        await screen.until("5 of 5 ready")
        assert other.began == [("start", tuple(i.name for i in OTHER.instances))]
        assert screen.stage.began == []

    played(play)


def test_not_while_something_is_started() -> None:
    async def play(screen: Screen) -> None:
        screen.stage.go_on.clear()
        screen.app.acting.act("start", screen.stage.job.instances, everything=True)
        await screen.type("escape", "J")
        await screen.until("Not while a start goes on")
        assert screen.app.service is screen.stage
        screen.stage.go_on.set()

    played(play)


def test_a_start_offers_to_stop_what_has_its_ports() -> None:
    async def play(screen: Screen) -> None:
        await screen.type("J", "down", "enter")
        await screen.until("0/5 ready")
        other: Any = screen.app.service
        other.holders = (Holder("edp", "server@mini1", member=True),)
        await screen.type("s", "enter")
        await screen.until("a port is taken by server@mini1", "stop job edp, then start")
        assert screen.stage.began == []
        await screen.type("down", "enter")
        await screen.until("5 of 5 ready")
        assert [kind for kind, _ in screen.stage.began] == ["stop"]
        assert set(screen.stage.states.values()) == {"stopped"}
        assert set(other.states.values()) == {"ready"}

    played(play)


def test_nodes_yaml_read_again_keeps_the_job_that_is_shown() -> None:
    async def play() -> None:
        file = EditedFile()
        async with opened(file=file) as screen:
            await screen.type("J", "down", "enter")
            await screen.until("0/5 ready")
            screen.app.action_reread()
        left = screen.app.return_value
        assert left and left.again
        assert left.again.job == OTHER
        assert left.again is not file.says  # which shows the first job

    asyncio.run(asyncio.wait_for(play(), 40))
