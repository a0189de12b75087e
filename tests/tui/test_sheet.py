"""A text of which only what changed is drawn again."""

from __future__ import annotations

import asyncio
from typing import Any

from textual.app import App, ComposeResult
from textual.content import Content
from textual.geometry import Region

from fleetctl.tui.widgets.sheet import Sheet

WIDTH, HIGH = 20, 10
TEXT = WIDTH - 2
"""The columns beside a scrollbar."""
ALL = (), False
"""All of it is drawn, and nothing is laid out."""


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
        async with app.run_test(size=(WIDTH, HIGH)) as pilot:
            sheet = app.query_one(Watched)

            async def show(text: str) -> tuple[tuple[Region, ...], bool]:
                sheet.asked.clear()
                sheet.show(Content(text))
                asked = sheet.asked[0]
                await pilot.pause()
                drawn = app.screen._compositor.render_strips()
                rows = ["".join(part.text for part in row)[:TEXT].rstrip() for row in drawn]
                wrapped = [row.plain.rstrip() for row in Content(text).wrap(WIDTH)]
                assert rows[:HIGH] == [*wrapped, *[""] * (HIGH - len(wrapped))][:HIGH]
                return asked

            long = "so long that it takes two rows"
            assert await show(f"age 9 s\n{long}\nload 1") == ALL
            assert await show(f"age 10 s\n{long}\nload 1") == ((Region(0, 0, WIDTH, 1),), False)
            assert await show(f"age 10 s\n{long}\nload 2") == ((Region(0, 3, WIDTH, 1),), False)
            assert await show(f"age 10 s\n{long}!\nload 2") == ((Region(0, 1, WIDTH, 2),), False)
            assert await show("age 10 s\nshort\nload 2") == ALL  # what is below moves
            assert await show("age 10 s\nshort") == ALL
            more = "\n".join(f"line {n}" for n in range(HIGH + 2))
            assert (await show(more))[1]  # it scrolls from now on
            assert await show(f"{more}!") == ((Region(0, HIGH + 1, TEXT, 1),), False)
            assert (await show("age 10 s\nshort"))[1]
            sheet.asked.clear()
            sheet.show(Content("age 10 s\nshort"))
            assert not sheet.asked

    asyncio.run(asyncio.wait_for(body(), 30))


def test_text_can_be_selected_over_lines_that_were_drawn_one_by_one() -> None:
    async def body() -> None:
        app = SheetApp()
        async with app.run_test(size=(WIDTH, HIGH)) as pilot:
            sheet = app.query_one(Watched)
            sheet.show(Content("one\ntwo\nthree"))
            await pilot.pause()
            await pilot.mouse_down(sheet, offset=(1, 0))
            await pilot.hover(sheet, offset=(2, 2))
            await pilot.mouse_up(sheet, offset=(2, 2))
            await pilot.pause()
            assert (app.screen.get_selected_text() or "").startswith("ne\ntwo\nth")
            app.screen.clear_selection()
            sheet.show(Content("one\ntwo!\nthree"))
            await pilot.pause()
            drawn = app.screen._compositor.render_strips()
            rows = ["".join(part.text for part in row).rstrip() for row in drawn]
            assert rows[:4] == ["one", "two!", "three", ""]

    asyncio.run(asyncio.wait_for(body(), 30))
