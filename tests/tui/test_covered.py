"""What lies below another screen is not drawn; below a question it stands still, and dimmed."""

from __future__ import annotations

import asyncio

import pytest
from textual.screen import Screen as TextualScreen

from fleetctl.tui.logs.lines import LogLines
from tests.tui.stage import Screen, Stage, opened, played


def test_log_lines_are_drawn_again_when_the_dashboard_is_on_top(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: list[TextualScreen[object]] = []
    render_line = LogLines.render_line

    def counted(self: LogLines, y: int) -> object:
        drawn.append(self.screen)
        return render_line(self, y)

    async def act(screen: Screen) -> None:
        await screen.type("question_mark")
        await screen.until("Help")
        monkeypatch.setattr(LogLines, "render_line", counted)
        for number in range(5):
            screen.stage.write("worker@mini2", f"below {number}")
            await screen.pilot.pause(0.15)  # as often as lines are handed over
        assert not drawn
        assert "below 4" not in screen.text
        await screen.type("escape")
        await screen.until("below 0", "below 4")
        assert drawn

    played(act)


def test_below_a_question_the_newest_state_is_seen_without_what_can_be_clicked() -> None:
    async def body() -> None:
        stage = Stage()
        async with opened(stage=stage) as screen:
            await screen.type("x")
            await screen.until("Stop edp", "● ready")
            strips = screen.app.screen._compositor.render_strips(screen.app.size)
            below = [part for part in strips[0] if part.style]
            assert below
            assert not any(part.style.meta for part in below if part.style)
            stage.states["worker@mini2"] = "failed"
            stage.change()
            await screen.until("Stop edp", "✖ failed")
            await screen.pilot.resize_terminal(100, 30)
            await screen.until("Stop edp", "✖ failed")
            await screen.type("ctrl+p")
            await screen.until("Search for commands")
            stage.states["worker@mini2"] = "ready"
            stage.states["worker@mini3"] = "failed"
            stage.change()
            await screen.until("mini3 failed")  # what the first line says is above the palette
            await screen.type("escape")
            await screen.until("Stop edp", "mini3 failed")

    asyncio.run(asyncio.wait_for(body(), 40))
