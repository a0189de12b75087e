"""What a `fleetctl serve` knows is shown at once, with its time, until all nodes are asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from fleetctl.model.status import FleetStatus
from fleetctl.tui.app import FleetApp
from tests.tui.stage import Screen, Stage

AGO = timedelta(seconds=7)


class Observer:
    """Stands for the server: it knows all nodes, which the dashboard does not."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.asked: list[str | None] = []
        self.at = datetime.now(UTC) - AGO
        self.knows = True

    def __call__(self, job: str | None) -> FleetStatus | None:
        self.asked.append(job)
        if not self.knows:
            return None
        service = self.stage.with_job(self.stage.fleet.jobs[job]) if job else self.stage
        return replace(asyncio.run(service.observe()), generated_at=self.at)


@asynccontextmanager
async def opened(observer: Observer) -> AsyncIterator[Screen]:
    app = FleetApp(observer.stage, known=observer)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        yield Screen(app, pilot, observer.stage)


def test_it_is_shown_with_its_time_until_every_node_was_asked() -> None:
    async def body() -> None:
        stage = Stage()
        stage.unasked = {"pi4"}
        observer = Observer(stage)
        async with opened(observer) as screen:
            clock = f"{observer.at.astimezone():%H:%M:%S}"
            text = await screen.until(
                "5/5 ready", f"as of {clock}, by fleetctl serve", timeout_s=40
            )
            assert "not asked yet" not in text
            assert screen.app.snapshot
            status = screen.app.snapshot.status
            heard = screen.app.snapshot.heard_at["pi4"]
            assert AGO <= status.generated_at - heard < 10 * AGO
            stage.unasked = set()
            stage.states["worker@pi4"] = "failed"
            stage.change()
            await screen.until("4/5 ready", gone="as of", timeout_s=40)
        assert observer.asked == [stage.job.name]

    asyncio.run(asyncio.wait_for(body(), 120))


def test_another_job_is_shown_by_what_is_known_of_it() -> None:
    async def body() -> None:
        observer = Observer(Stage())
        stage = observer.stage
        other = next(job for name, job in stage.fleet.jobs.items() if name != stage.job.name)
        async with opened(observer) as screen:
            await screen.until("5/5 ready", gone="as of", timeout_s=40)
            stage.with_job(other).unasked = {"pi4"}
            screen.app.switch(other)
            await screen.until(other.name, "as of", timeout_s=40)
        assert observer.asked == [stage.job.name, other.name]

    asyncio.run(asyncio.wait_for(body(), 120))


def test_where_nothing_is_known_the_nodes_are_asked() -> None:
    async def body() -> None:
        observer = Observer(Stage())
        observer.knows = False
        observer.stage.unasked = {"pi4"}
        async with opened(observer) as screen:
            await screen.until("1 not asked yet", gone="as of", timeout_s=40)

    asyncio.run(asyncio.wait_for(body(), 120))
