"""Work that must not be cancelled half-way."""

from __future__ import annotations

import asyncio

import pytest

from fleetctl.config import load_text
from fleetctl.finishing import to_the_end
from fleetctl.fleet import LiveFleet

FLEET = load_text("fleet: here\nnodes:\n  here: {connection: local}\n", "nodes.yaml")


async def _turns(said: list[str], number: int = 5) -> str:
    for _ in range(number):
        await asyncio.sleep(0)
    said.append("done")
    return "result"


def test_its_result_is_passed_on() -> None:
    assert asyncio.run(to_the_end(_turns([]))) == "result"


def test_it_ends_however_often_it_is_cancelled() -> None:
    async def body() -> None:
        said: list[str] = []
        task = asyncio.create_task(to_the_end(_turns(said)))
        for _ in range(3):
            await asyncio.sleep(0)
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert said == ["done"]

    asyncio.run(body())


def test_its_error_is_passed_on() -> None:
    async def broken() -> None:
        raise ValueError("why")

    with pytest.raises(ValueError, match="why"):
        asyncio.run(to_the_end(broken()))


def test_connections_are_closed_after_tasks_that_change_a_node(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []

    async def change(service: LiveFleet) -> None:
        with service.changing():
            await to_the_end(_turns(said))
            said.append("goes on")  # it was cancelled

    async def body() -> None:
        async with LiveFleet(FLEET, None) as service:

            async def close() -> None:
                said.append("closed")

            monkeypatch.setattr(service.links, "close", close)
            task = asyncio.create_task(change(service))
            await asyncio.sleep(0)
        assert task.cancelled()

    asyncio.run(body())
    assert said == ["done", "closed"]
