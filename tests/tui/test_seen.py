"""A dashboard that is opened in place of another has what that one saw."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from fleetctl.model.node_status import SystemStatus
from fleetctl.tui.app import FleetApp
from fleetctl.tui.seen import Seen
from tests.tui.stage import Screen, Stage, opened


def test_how_busy_a_node_was_is_kept_and_unknown_is_a_gap() -> None:
    seen = Seen()
    assert seen.usage_bars("a") == {}
    for percent, received in ((0.0, 0), (100.0, 700), (None, None), (50.0, 350)):
        system = SystemStatus(cpu_percent=percent, net_in_bytes_per_s=received)
        seen.take_usage("a", replace(system, net_out_bytes_per_s=received))
    seen.take_usage("a", None)
    assert seen.usage_bars("a") == {"processors": "▁█ ▅ ", "network": "▁█ ▅ "}
    seen.keep_nodes(())
    assert seen.usage_bars("a") == {}


def test_the_details_of_a_node_have_how_busy_it_is_and_was() -> None:
    async def body() -> None:
        async with opened((220, 60), ready="5/5 ready") as screen:
            await screen.until("processors", "12.4 % busy  ▂", "9.5M/310K bytes/s in/out  █")
            await screen.type("enter")
            await screen.until("System", "12.4 % busy  ▂")

    asyncio.run(asyncio.wait_for(body(), 40))


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
