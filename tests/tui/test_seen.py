"""A dashboard that is opened in place of another has what that one saw."""

from __future__ import annotations

import asyncio

from fleetctl.tui.app import FleetApp
from fleetctl.tui.seen import Seen
from tests.tui.stage import Screen, Stage


def test_events_round_trips_and_repairs_outlive_a_new_nodes_yaml() -> None:
    async def body() -> None:
        seen = Seen()
        stage = Stage()
        app = FleetApp(stage, seen=seen)
        async with app.run_test(size=(120, 40)) as pilot:
            screen = Screen(app, pilot, stage)
            await screen.until("5/5 ready")
            stage.states["worker@pi4"] = "failed"
            stage.change()
            await screen.until("service-failed")
            app.seen.repaired = app.repaired = (("mini3", "forwarding-off"),)
        before, trips = app.events, len(seen.round_trips("mini2"))
        assert before and trips
        seen.keep_nodes(set(stage.fleet.nodes) - {"mini3"})
        again = FleetApp(stage, seen=seen)
        async with again.run_test(size=(120, 40)) as pilot:
            screen = Screen(again, pilot, stage)
            await screen.until("service-failed", "repaired from here: forwarding-off on mini3")
            assert again.events[: len(before)] == before
            assert len(seen.round_trips("mini2")) > trips
            await screen.type("e")
            await screen.until("worker@pi4 is failed")

    asyncio.run(asyncio.wait_for(body(), 40))
