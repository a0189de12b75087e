"""The row under the cursor can be read, whatever colours it has elsewhere."""

from __future__ import annotations

import asyncio

from tests.tui.stage import Stage, opened


def test_the_row_under_the_cursor_has_one_colour_and_its_marks() -> None:
    async def body() -> None:
        stage = Stage()
        stage.states["worker@mini2"] = "failed"
        async with opened((80, 24), stage, ready="4/5 ready") as screen:
            for theme in ("sixteen", "colours-256", "textual-dark", "light"):
                screen.app.theme = theme
                await screen.type("g", "j")
                await screen.until("✖ failed")
                strips = screen.app.screen._compositor.render_strips(screen.app.size)
                texts = ["".join(s.text for s in strip) for strip in strips]
                mine = next(n for n, text in enumerate(texts) if "✖ failed" in text)
                cursor, other = (
                    {
                        (s.style.color, s.style.bgcolor)
                        for s in strips[row]
                        if s.style and s.text.strip("│ ▏▎▍▌▋▊▉█")
                    }
                    for row in (mine, mine - 1)
                )
                assert len(cursor) == 1
                assert len(other) > 1

    asyncio.run(asyncio.wait_for(body(), 40))
