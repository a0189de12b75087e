"""A laptop that slept: what it saw before is not shown as if it were so now."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace

import pytest

from fleetctl.observe import watch
from tests.tui.stage import opened


def test_after_a_sleep_nothing_is_known_until_the_nodes_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def play() -> None:
        async with opened() as screen:
            clock = SimpleNamespace(monotonic=time.monotonic, time=lambda: time.time() + 3600)
            monkeypatch.setattr(watch, "time", clock)
            await screen.until("? asking")
            assert "5/5 ready" not in screen.text
            screen.stage.change()
            await screen.until("5/5 ready")

    asyncio.run(asyncio.wait_for(play(), 60))
