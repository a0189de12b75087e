"""The panel of problems: order, groups that open, and what leads from it."""

from __future__ import annotations

import pytest

from tests.tui.stage import Screen, played

SIZES = [(80, 24), (120, 40)]


@pytest.mark.parametrize("size", SIZES)
def test_the_same_cause_on_many_nodes_is_one_row_that_opens(size: tuple[int, int]) -> None:
    async def act(screen: Screen) -> None:
        for name in ("worker@mini2", "worker@mini3", "worker@pi4"):
            screen.stage.states[name] = "failed"
        screen.stage.change()
        text = await screen.until("Problems · 3", "service-failed on 3 nodes ▸ mini2, mini3, pi4")
        assert "worker@mini2 failed" not in text
        await screen.type("tab", "tab", "enter")
        await screen.until("service-failed on 3 nodes ▾", "worker@mini2 failed")
        await screen.type("down", "enter")
        await screen.until("What repairs it", "worker@mini2 failed")
        await screen.type("escape", "left")
        await screen.until("service-failed on 3 nodes ▸", gone="worker@mini2 failed")
        await screen.type("right")
        await screen.until("worker@mini2 failed")
        screen.stage.states["worker@pi4"] = "ready"
        screen.stage.change()
        await screen.until("Problems · 2", "worker@mini3 failed", gone="on 3 nodes")

    played(act, size)
