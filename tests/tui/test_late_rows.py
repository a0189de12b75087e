"""Of many rows only those that come into view are made, and none is shown as it was."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from textual.app import App, ComposeResult
from textual.content import Content

from fleetctl.tui.widgets.rows import Rows

HIGH, MANY = 10, 200


class RowsApp(App[None]):
    def compose(self) -> ComposeResult:
        yield Rows()

    def texts(self) -> list[str]:
        drawn = self.screen._compositor.render_strips()
        return ["".join(part.text for part in row).strip(" ▁▂▃▄▅▆▇█") for row in drawn]


def test_rows_are_made_when_they_come_into_view() -> None:
    made: list[str] = []

    def row(name: str, state: str) -> tuple[str, Callable[[], Content]]:
        def make() -> Content:
            made.append(name)
            return Content(f"{name} {state}")

        return name, make

    names = [f"n{number:03}" for number in range(MANY)]

    async def body() -> None:
        app = RowsApp()
        async with app.run_test(size=(30, HIGH)) as pilot:
            rows = app.query_one(Rows)
            rows.show([row(name, "ready") for name in names])
            await pilot.pause()
            assert app.texts() == [f"{name} ready" for name in names[:HIGH]]
            assert made == names[:HIGH]

            made.clear()
            rows.show([row(name, "failed" if name in ("n003", "n015") else "ready")
                       for name in names])  # fmt: skip
            await pilot.pause()
            assert app.texts()[2:5] == ["n002 ready", "n003 failed", "n004 ready"]
            assert set(made) == set(names[:HIGH])

            rows.highlighted = 19
            await pilot.pause()
            assert app.texts() == [
                f"{name} {'failed' if name == 'n015' else 'ready'}" for name in names[10:20]
            ]

            rows.show([row(name, "lost" if name == "n003" else "ready") for name in names])
            rows.highlighted = 0
            await pilot.pause()
            assert app.texts()[:4] == ["n000 ready", "n001 ready", "n002 ready", "n003 lost"]
            assert set(made) == set(names[:20])

    asyncio.run(asyncio.wait_for(body(), 30))
