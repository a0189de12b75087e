"""A text of which only what changed is drawn again."""

from __future__ import annotations

import asyncio
from typing import Any

from textual.app import App, ComposeResult
from textual.content import Content
from textual.geometry import Region

from fleetctl.tui.widgets.sheet import Sheet

WIDTH = 20


class Watched(Sheet):
    """Notes what it asks to be drawn."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[tuple[Region, ...], bool]] = []

    def refresh(self, *regions: Region, layout: bool = False, **more: Any) -> Any:
        self.asked.append((regions, layout))
        return super().refresh(*regions, layout=layout, **more)


class SheetApp(App[None]):
    def compose(self) -> ComposeResult:
        yield Watched()


def test_what_stands_on_the_screen_is_the_text_and_only_changed_rows_are_drawn() -> None:
    async def body() -> None:
        app = SheetApp()
        async with app.run_test(size=(WIDTH, 10)) as pilot:
            sheet = app.query_one(Watched)

            async def show(text: str) -> tuple[tuple[Region, ...], bool]:
                sheet.asked.clear()
                sheet.show(Content(text))
                asked = sheet.asked[0]
                await pilot.pause()
                drawn = app.screen._compositor.render_strips()
                rows = ["".join(part.text for part in row).rstrip() for row in drawn]
                wrapped = [row.plain.rstrip() for row in Content(text).wrap(WIDTH)]
                assert rows == [*wrapped, *[""] * (10 - len(wrapped))]
                return asked

            long = "so long that it takes two rows"
            assert (await show(f"age 9 s\n{long}\nload 1"))[1]
            assert await show(f"age 10 s\n{long}\nload 1") == ((Region(0, 0, WIDTH, 1),), False)
            assert await show(f"age 10 s\n{long}\nload 2") == ((Region(0, 3, WIDTH, 1),), False)
            assert await show(f"age 10 s\n{long}!\nload 2") == ((Region(0, 1, WIDTH, 2),), False)
            assert (await show("age 10 s\nshort\nload 2"))[1]  # what is below moves
            assert (await show("age 10 s\nshort"))[1]
            sheet.asked.clear()
            sheet.show(Content("age 10 s\nshort"))
            assert not sheet.asked

    asyncio.run(asyncio.wait_for(body(), 30))
