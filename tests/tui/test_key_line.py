"""The line of keys: what it names, its clicks, and when it is drawn again."""

from __future__ import annotations

from itertools import pairwise

import pytest
from textual.content import Content

from fleetctl.tui.widgets.key_line import KeyLine
from tests.tui.stage import Screen, played

SIZE = (160, 40)


def test_a_click_presses_the_key_under_the_mouse() -> None:
    async def act(screen: Screen) -> None:
        last = screen.lines()[-1]
        await screen.pilot.click(KeyLine, offset=(last.index("help"), 0))
        await screen.until("─ Help", "esc back")
        await screen.pilot.click(KeyLine, offset=(1, 0))
        await screen.until("─ Nodes", "q leave")

    played(act, SIZE)


def test_the_key_under_the_mouse_is_marked() -> None:
    async def act(screen: Screen) -> None:
        line = screen.app.screen.query_one(KeyLine)
        place = screen.lines()[-1].index("help")

        def background(column: int) -> object:
            strip = screen.app.screen._compositor.render_strips()[-1]
            return next(iter(strip.crop(column, column + 1))).style.bgcolor  # type: ignore[union-attr]  # drawn cells have styles

        plain = background(place)
        await screen.pilot.hover(KeyLine, offset=(place, 0))
        await screen.pilot.pause()
        assert background(place) != plain == background(1)
        line._hover("")
        await screen.pilot.pause()
        assert background(place) == plain

    played(act, SIZE)


def test_it_is_drawn_again_only_where_a_key_or_word_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: list[str] = []
    render = KeyLine.render

    def counted(self: KeyLine) -> Content:
        line = render(self)
        drawn.append(line.plain)
        return line

    async def act(screen: Screen) -> None:
        await screen.type("end", "up", "up")
        await screen.until("stop worker@pi4")
        monkeypatch.setattr(KeyLine, "render", counted)
        await screen.type("shift+tab")  # the cursor of the topology is on pi4, too
        await screen.type("left", "up")
        await screen.until("stop server@mini1", "q leave")
        await screen.pilot.pause()
        assert drawn
        assert all(one != after for one, after in pairwise(drawn))

    played(act, SIZE)


def test_in_few_columns_each_key_is_whole_and_the_way_out_stays() -> None:
    async def act(screen: Screen) -> None:
        await screen.type("l")
        await screen.until("? help  q leave", gone="restart")
        assert screen.lines()[-1].startswith(" space pause/follow  / filter  ")
        assert screen.lines()[-1].endswith("  ? help  q leave")

    played(act, (80, 24))
