"""The topology panel in a running app: cursor, mouse, and when it paints."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from msgspec.structs import replace
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.strip import Strip
from textual.widgets import Input

from fleetctl.config import load
from fleetctl.tui.widgets.topology_panel import TopologyPanel
from tests.health.world import World

GUIDE = load(Path(__file__).parents[2] / "nodes.yaml")


class CountingPanel(TopologyPanel):
    """Counts the rows it paints."""

    painted = 0

    def render_line(self, y: int) -> Strip:
        self.painted += 1
        return super().render_line(y)


class OnePanel(App[None]):
    AUTO_FOCUS = None
    CSS = "TopologyPanel { width: 100%; height: 1fr; } Input { dock: bottom; }"

    def __init__(self) -> None:
        super().__init__()
        self.panel = CountingPanel(GUIDE, GUIDE.jobs["edp"])
        self.chosen: list[str] = []

    def compose(self) -> ComposeResult:
        yield self.panel
        yield Input()

    def on_topology_panel_node_chosen(self, message: TopologyPanel.NodeChosen) -> None:
        self.chosen.append(message.node)


def run(act: Callable[[OnePanel, Pilot[None]], Awaitable[None]], size: tuple[int, int]) -> None:
    async def main() -> None:
        app = OnePanel()
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            await act(app, pilot)

    asyncio.run(main())


SMALL = (38, 13)
"""36x8 inside the border, above the input."""


def test_it_is_drawn_before_any_answer_and_as_soon_as_there_is_one() -> None:
    async def act(app: OnePanel, pilot: Pilot[None]) -> None:
        assert " ? mini3\n" in app.panel.drawing.plain + "\n"
        app.panel.update_status(World(GUIDE).check().status)
        assert "● mini3" in app.panel.drawing.plain
        world = World(GUIDE)
        world.hosts["mini3"].powered = False
        app.panel.update_status(world.check().status)
        await pilot.pause()
        shown = [app.panel.render_line(y).text.rstrip() for y in range(8)]
        assert "\n".join(shown) == app.panel.drawing.plain
        assert "✖ mini3" in shown[2]

    run(act, SMALL)


def test_only_rows_that_changed_are_painted_again() -> None:
    async def act(app: OnePanel, pilot: Pilot[None]) -> None:
        status = World(GUIDE).check().status
        app.panel.update_status(status)
        await pilot.pause()
        painted, before = app.panel.painted, app.panel.drawing.rows
        gone = replace(status.nodes["pi4"], state="unreachable")
        nodes = {**status.nodes, "pi4": gone}
        app.panel.update_status(replace(status, nodes=nodes))
        await pilot.pause()
        after = app.panel.drawing.rows
        differ = sum(one != other for one, other in zip(before, after, strict=True))
        assert 0 < differ < len(after)
        assert app.panel.painted - painted == differ
        strips = app.screen._compositor.render_strips()
        drawn = "\n".join("".join(part.text for part in strip) for strip in strips)
        assert all(row.rstrip() in drawn for row in app.panel.drawing.plain.split("\n"))

    run(act, SMALL)


def test_what_looks_the_same_is_not_painted_again() -> None:
    async def act(app: OnePanel, pilot: Pilot[None]) -> None:
        app.panel.update_status(World(GUIDE).check().status)
        await pilot.pause()
        before, drawing = app.panel.painted, app.panel.drawing
        app.panel.update_status(World(GUIDE).check().status)
        await pilot.pause()
        assert app.panel.painted == before
        assert app.panel.drawing is drawing
        world = World(GUIDE)
        world.hosts["pi4"].powered = False
        app.panel.update_status(world.check().status)
        await pilot.pause()
        assert app.panel.painted > before

    run(act, SMALL)


def test_the_arrows_go_from_node_to_node_and_enter_chooses() -> None:
    steps = [
        ("left", "mini1"),  # nothing there
        ("up", "mini1"),
        ("right", "mini2"),
        ("right", "mini3"),
        ("right", "mini3"),
        ("down", "pi4"),
        ("left", "pi5"),
        ("up", "mini1"),
        ("down", "pi5"),
        ("down", "macbook"),
        ("right", "ipad"),
        ("down", "ipad"),
        ("up", "pi4"),
    ]

    async def act(app: OnePanel, pilot: Pilot[None]) -> None:
        app.panel.focus()
        assert app.panel.cursor == "mini1"
        for key, node in steps:
            await pilot.press(key)
            assert app.panel.cursor == node, key
        assert app.chosen == []
        await pilot.press("enter")
        assert app.chosen == ["pi4"]

    run(act, SMALL)


def test_the_cursor_shows_without_colours_and_only_while_the_keys_go_there() -> None:
    async def act(app: OnePanel, pilot: Pilot[None]) -> None:
        app.panel.focus()
        await pilot.press("right")
        assert _reversed(app.panel, 2) == "? mini2"
        app.query_one(Input).focus()
        await pilot.pause()
        assert _reversed(app.panel, 2) == ""
        app.panel.focus()
        await pilot.press("]")
        assert app.panel.under_cursor.network == "fabric"
        await pilot.press("[", "[")
        assert app.panel.under_cursor.network == "wifi"

    run(act, SMALL)


def test_the_links_of_the_node_under_the_mouse_stand_out() -> None:
    async def act(app: OnePanel, pilot: Pilot[None]) -> None:
        await pilot.hover(CountingPanel, offset=(2, 3))  # mini1
        assert [_underlined(app.panel, row) for row in (1, 3, 6)] == ["?", "?", "? mini1"]
        await pilot.hover(CountingPanel, offset=(26, 4))  # the link of pi4 to edge51
        assert [_underlined(app.panel, row) for row in (1, 3, 4)] == ["", "?", "? pi4"]
        await pilot.hover(Input)
        assert [_underlined(app.panel, row) for row in (1, 3, 6)] == ["", "", ""]

    run(act, SMALL)


def test_a_click_selects_the_node_or_its_link_and_else_nothing_and_two_open() -> None:
    places = {
        (2, 2): ("mini1", ""),
        (15, 2): ("mini2", ""),
        (1, 3): ("pi5", "edge50"),
        (3, 3): ("mini1", "edge50"),
        (34, 6): ("pi5", "wifi"),
        (3, 0): None,
        (8, 1): None,
        (11, 2): None,
        (0, 9): None,
    }

    async def act(app: OnePanel, pilot: Pilot[None]) -> None:
        for (column, row), place in places.items():
            app.chosen.clear()
            await pilot.click(CountingPanel, offset=(column + 1, row + 1))
            assert app.chosen == []
            under = app.panel.under_cursor
            assert place is None or (app.panel.cursor, under.network) == place, (column, row)
            await pilot.click(CountingPanel, offset=(column + 1, row + 1), times=2)
            assert app.chosen == ([place[0]] if place else []), (column, row)

    run(act, SMALL)


def test_another_size_is_another_drawing_and_the_cursor_stays() -> None:
    async def act(app: OnePanel, pilot: Pilot[None]) -> None:
        app.panel.focus()
        await pilot.press("down")
        await pilot.resize_terminal(100, 30)
        await pilot.pause()
        assert "10.10.0.1" in app.panel.drawing.plain
        assert app.panel.cursor == "pi5"
        assert app.panel.border_subtitle == "● ok  ▲ degraded  ✖ wrong  ? not known"
        await pilot.resize_terminal(*SMALL)
        await pilot.pause()
        assert app.panel.border_subtitle == ""

    run(act, SMALL)


def test_what_does_not_fit_scrolls_with_the_cursor() -> None:
    async def act(app: OnePanel, pilot: Pilot[None]) -> None:
        app.panel.focus()
        assert len(app.panel.drawing.rows) > app.panel.content_size.height
        await pilot.press("down", "down")
        await pilot.pause()
        assert app.panel.cursor == "macbook"
        assert app.panel.scroll_offset.y > 0
        row, _ = app.panel.drawing.places["macbook"]
        assert app.panel.scroll_offset.y <= row < app.panel.scroll_offset.y + app.panel.size.height
        await pilot.click(CountingPanel, offset=(2, app.panel.size.height), times=2)
        assert app.chosen == [_first_of(app.panel, app.panel.size.height - 1)]

    run(act, (40, 10))


def _first_of(panel: TopologyPanel, line: int) -> str | None:
    target = panel.drawing.target_at(line + panel.scroll_offset.y, 1)
    return target.node if target else None


def _reversed(panel: TopologyPanel, row: int) -> str:
    return "".join(s.text for s in panel.render_line(row) if s.style and s.style.reverse)


def _underlined(panel: TopologyPanel, row: int) -> str:
    return "".join(s.text for s in panel.render_line(row) if s.style and s.style.underline)


def test_themes_light_and_dark_can_draw_it() -> None:
    async def act(app: OnePanel, pilot: Pilot[None]) -> None:
        app.panel.update_status(World(GUIDE).check().status)
        for theme in ("textual-dark", "textual-light", "ansi-dark"):
            app.theme = theme
            await pilot.pause()
            colours = {s.text: s.style.color for s in app.panel.render_line(1) if s.style}
            assert colours["●"] != colours["━" * 11], theme

    run(act, SMALL)
