"""The panel of logs, used by keys and mouse."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import ClassVar

import pytest
from rich.cells import cell_len
from textual.app import App, ComposeResult
from textual.binding import BindingType
from textual.events import MouseScrollUp
from textual.pilot import Pilot

from fleetctl.logs.buffer import LIMIT_BYTES
from fleetctl.logs.events import LogBatch, LogEvent, LogNotice, LogTail
from fleetctl.tui.logs.lines import LogLines
from fleetctl.tui.logs.panel import LogPanel

NAMES = ("server@mini1", "worker@pi4")
SERVER, WORKER = NAMES
NOW = time.time()


class Screen(App[None]):
    """The panel alone."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape", "escaped", "")]
    escaped = 0

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        super().__init__()
        self.panel = LogPanel(NAMES, limit_bytes=limit_bytes)
        self.offsets = dict.fromkeys(NAMES, 0)
        self.draws = 0
        self.saved: list[LogPanel.Saved] = []

    def compose(self) -> ComposeResult:
        yield self.panel

    def on_mount(self) -> None:
        self.panel.focus()

    def on_log_panel_saved(self, event: LogPanel.Saved) -> None:
        self.saved.append(event)

    def action_escaped(self) -> None:
        self.escaped += 1

    def write(self, name: str, data: str | bytes, at: float | None = None) -> None:
        data = data.encode() if isinstance(data, str) else data
        now = time.time()
        self.take(LogBatch(name, self.offsets[name], data, now, at or now))
        self.offsets[name] += len(data)

    def take(self, *events: LogEvent) -> None:
        self.panel.take(events)

    @property
    def lines(self) -> LogLines:
        return self.panel.query_one(LogLines)

    def drawn(self) -> list[str]:
        """The rows of the terminal, as the compositor would write them."""
        rows = self.screen._compositor.render_strips()  # no public way reads the screen as text
        return ["".join(segment.text for segment in row) for row in rows]

    @property
    def heading(self) -> str:
        return self.drawn()[0].strip("╭╮─ ")

    def rows(self) -> list[str]:
        """The rows of the panel, without border, scrollbar and trailing blanks."""
        return [
            row[1:-1].rstrip("┃ ").rstrip() for row in self.drawn()[1:-1] if row[1:-1].strip("┃ ")
        ]


class User:
    """Drives the app and waits for what must come."""

    def __init__(self, app: Screen, pilot: Pilot[None]) -> None:
        self.app, self.pilot = app, pilot

    async def sees(self, condition: Callable[[], object], what: str = "") -> None:
        deadline = time.monotonic() + 5
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"{what}\n" + "\n".join(self.app.drawn()))
            await asyncio.sleep(0.005)

    async def rows(self, *expected: str) -> None:
        await self.sees(lambda: self.app.rows() == list(expected), f"not {expected}")

    async def title(self, expected: str) -> None:
        await self.sees(lambda: self.app.heading == expected, f"not {expected}")

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)


def run(
    body: Callable[[Screen, User], Awaitable[None]],
    size: tuple[int, int] = (60, 8),
    limit_bytes: int = LIMIT_BYTES,
) -> None:
    async def main() -> None:
        app = Screen(limit_bytes)
        async with app.run_test(size=size, notifications=True) as pilot:
            await body(app, User(app, pilot))

    asyncio.run(main())


def numbered(start: int, end: int) -> str:
    return "".join(f"line {i}\n" for i in range(start, end))


def test_merged_logs_with_names_in_the_order_of_time() -> None:
    async def body(app: Screen, user: User) -> None:
        await user.title("Logs · all · following")
        app.write(SERVER, "second\n", NOW - 5)
        app.write(WORKER, "first\n", NOW - 9)
        app.take(LogNotice(WORKER, "lost [pi4]", NOW - 1))
        await user.rows(
            "worker@pi4   | first",
            "server@mini1 | second",
            "worker@pi4   | ── lost [pi4] ──",
        )
        await user.press("]", "]")
        await user.rows("first", "── lost [pi4] ──")
        await user.title("Logs · worker@pi4 · following")
        await user.press("]")
        await user.title("Logs · all · following")
        app.panel.show([SERVER])
        await user.rows("second")
        assert app.panel.shown == (SERVER,)

    run(body)


def test_it_follows_until_the_user_goes_up_and_then_nothing_moves() -> None:
    async def body(app: Screen, user: User) -> None:
        app.panel.show([SERVER])
        app.write(SERVER, numbered(0, 20))
        await user.rows(*(f"line {i}" for i in range(14, 20)))
        app.write(SERVER, numbered(20, 21))
        await user.rows(*(f"line {i}" for i in range(15, 21)))
        await user.press("up")
        stood = [f"line {i}" for i in range(14, 20)]
        await user.rows(*stood)
        app.write(SERVER, numbered(21, 141))
        await user.title("Logs · server@mini1 · paused · 120 new")
        assert app.rows() == stood
        await user.press("pageup")
        await user.rows(*(f"line {i}" for i in range(9, 15)))
        await user.press("g")
        await user.rows(*(f"line {i}" for i in range(6)))
        await user.press("j", "j", "k")
        await user.rows(*(f"line {i}" for i in range(1, 7)))
        await user.press("G")
        await user.rows(*(f"line {i}" for i in range(135, 141)))
        await user.title("Logs · server@mini1 · following")
        await user.press("space")
        await user.title("Logs · server@mini1 · paused")
        await user.press("space")
        await user.title("Logs · server@mini1 · following")
        await user.press("pageup", "pagedown", "pagedown")
        await user.title("Logs · server@mini1 · following")

    run(body)


def test_what_is_read_stays_when_lines_are_dropped_and_when_older_ones_come() -> None:
    async def body(app: Screen, user: User) -> None:
        line = "{} " + "z" * 20 + "\n"
        for i in range(20):
            app.write(SERVER, line.format(i), NOW + i - 100)
        await user.sees(lambda: "server@mini1 | 19 " + "z" * 20 in app.rows())
        await user.press("up")
        await user.sees(lambda: app.rows()[0].startswith("server@mini1 | 13"))
        stood = app.rows()
        app.write(WORKER, "came late\n", NOW - 91.5)
        for i in range(20, 60):
            app.write(SERVER, line.format(i), NOW + i - 100)
        await user.title("Logs · all · paused · 41 new")
        assert app.rows() == stood
        await user.press("up")
        await user.sees(lambda: app.rows()[0] == "worker@pi4   | came late")
        await user.press("up")
        await user.sees(lambda: "older lines are no longer held; `fl" in app.rows()[0])
        assert app.rows()[1] == "worker@pi4   | came late"

    run(body, limit_bytes=30 * 540)


def test_filter_as_it_is_typed() -> None:
    async def body(app: Screen, user: User) -> None:
        app.panel.show([SERVER])
        app.write(SERVER, "loss 1\nother\nloss 2\n")
        await user.press("slash", "l")
        await user.rows("loss 1", "loss 2", "filter / l")
        await user.title("Logs · server@mini1 · following · filter /l/ 2 of 3")
        await user.press("(")
        await user.sees(lambda: "not a regular expression" in app.rows()[-1])
        assert app.rows()[:-1] == ["loss 1", "loss 2"]
        app.write(SERVER, "meanwhi1e\n")
        await user.title("Logs · server@mini1 · following · filter /l/ 2 of 4")
        await user.press("backspace", "enter")
        await user.rows("loss 1", "loss 2")
        app.write(SERVER, "loss 3\nmore\n")
        await user.rows("loss 1", "loss 2", "loss 3")
        await user.title("Logs · server@mini1 · following · filter /l/ 3 of 6")
        await user.press("slash", "backspace", "!", "l")
        await user.rows("other", "meanwhi1e", "more", "filter / !l")
        await user.title("Logs · server@mini1 · following · filter !/l/ 3 of 6")
        await user.press("escape")
        await user.rows("loss 1", "other", "loss 2", "meanwhi1e", "loss 3", "more")
        assert isinstance(app.focused, LogLines)

    run(body, (70, 8))


def test_a_search_that_takes_too_long_is_reported() -> None:
    async def body(app: Screen, user: User) -> None:
        app.panel.show([SERVER])
        app.write(SERVER, "a" * 50 + "b\n")
        await user.press("slash", *"(a|aa)+$", "enter")
        slow = "/(a|aa)+$/ takes too long, change it"
        await user.title(f"Logs · server@mini1 · following · filter {slow}")
        app.write(SERVER, "aab\n")
        await user.press("slash", "backspace", "b", "enter")
        await user.title("Logs · server@mini1 · following · filter /(a|aa)+b/ 2 of 2")
        await user.press("escape", "ctrl+f", *"(a|aa)+$", "enter")
        await user.title(f"Logs · server@mini1 · following · search {slow}")

    run(body, (90, 8))


def test_context_around_what_the_filter_keeps() -> None:
    async def body(app: Screen, user: User) -> None:
        app.panel.show([SERVER])
        app.write(SERVER, numbered(0, 9))
        await user.press("slash", "4", "enter", "plus")
        await user.rows("line 3", "line 4", "line 5")
        await user.title("Logs · server@mini1 · following · filter /4/ 1 of 9 ±1")
        await user.press("minus")
        await user.rows("line 4")
        await user.press("escape")
        await user.title("Logs · server@mini1 · following")
        assert app.escaped == 0
        await user.press("escape")
        assert app.escaped == 1, "with nothing to clear, the key goes on to others"

    run(body)


def test_search_goes_up_and_down_and_says_when_there_is_no_more() -> None:
    async def body(app: Screen, user: User) -> None:
        app.panel.show([SERVER])
        app.write(SERVER, numbered(0, 100))
        await user.press("ctrl+f", *".9$", "enter")
        await user.sees(lambda: app.lines.here)
        await user.title("Logs · server@mini1 · paused · search /.9$/")
        assert app.rows()[-1] == "line 99"
        await user.press("N", "N")
        await user.sees(lambda: "line 79" in app.rows())
        found = [
            "".join(s.text for s in app.lines.render_line(y) if s.style and s.style.reverse)
            for y in range(app.lines.size.height)
        ]
        assert "".join(found) == "79"
        await user.press("n")
        await user.sees(lambda: "line 89" in app.rows())
        await user.press("n", "n")
        await user.title("Logs · server@mini1 · paused · search /.9$/ not found below")
        await user.press("escape")
        await user.title("Logs · server@mini1 · paused")

    run(body, (70, 8))


def test_the_last_line_without_end_is_live() -> None:
    async def body(app: Screen, user: User) -> None:
        app.write(SERVER, "before\n")
        app.take(LogTail(SERVER, "10%"))
        await user.rows("server@mini1 | before", "server@mini1 | 10%")
        app.take(LogTail(SERVER, "\x1b[32m90%\x1b[0m"))
        await user.rows("server@mini1 | before", "server@mini1 | 90%")
        app.write(SERVER, "\r10%\r90%\rdone\n")
        await user.rows("server@mini1 | before", "server@mini1 | done")

    run(body)


def test_hostile_bytes_and_endless_lines() -> None:
    async def body(app: Screen, user: User) -> None:
        app.panel.show([WORKER])
        app.write(WORKER, b"a\x1b[2J\x1b[1;1H\x1b]0;x\x07\x1b]52;c;ZXZpbA==\x07b\n")
        app.write(WORKER, b"\xff\xfe no utf-8 \xc3\n")
        app.write(WORKER, b"m" * 1_000_000 + b"\n")
        app.write(WORKER, b"no end ever" + b"x" * 5_000_000)
        app.write(WORKER, "日本語 🦊 end\n")
        await user.rows(
            "ab",
            "\ufffd\ufffd no utf-8 \ufffd",
            "m" * 56 + "…",
            "no end ever" + "x" * 45 + "…",
            "日本語 🦊 end",
        )
        await user.press("right")
        await user.sees(lambda: app.rows()[-1] == "x" * 56 + "…")
        await user.press("left", "w")
        await user.sees(lambda: app.rows()[-1] == "日本語 🦊 end" and "re bytes" in app.rows()[-2])
        await user.press("g")
        await user.sees(lambda: app.rows()[:3] == ["ab", "\ufffd\ufffd no utf-8 \ufffd", "m" * 57])
        assert app.rows()[3] == "m" * 57

    run(body)


def test_lines_that_come_before_the_screen_is_there_and_no_instances_at_all() -> None:
    async def main() -> None:
        app = Screen()
        app.panel.show([SERVER])
        app.write(SERVER, "early\n")
        app.write(WORKER, "not shown\n")
        async with app.run_test(size=(60, 6)) as pilot:
            await User(app, pilot).rows("early")
        empty = Screen()
        empty.panel = LogPanel([])
        async with empty.run_test(size=(60, 6)) as pilot:
            await pilot.press("]", "k", "g", "G", "y", "slash", "x", "enter")
            await User(empty, pilot).title("Logs · all · following · filter /x/ 0 of 0")

    asyncio.run(main())


def test_times_of_lines() -> None:
    async def body(app: Screen, user: User) -> None:
        noon = time.mktime((2026, 1, 31, 12, 0, 41, 0, 0, -1))
        app.write(SERVER, "stamped\n", noon)
        app.take(LogBatch(WORKER, 0, b"who knows\n", NOW, None))
        await user.press("t")
        await user.rows("server@mini1 | 12:00:41 stamped", "worker@pi4   | ??:??:?? who knows")

    run(body)


def test_copy_and_select() -> None:
    async def body(app: Screen, user: User) -> None:
        app.panel.show([SERVER])
        app.write(SERVER, numbered(0, 20))
        await user.sees(lambda: "line 19" in app.rows())
        await user.press("y")
        assert app.clipboard == "\n".join(f"line {i}" for i in range(14, 20))
        await user.pilot.mouse_down(LogLines, offset=(2, 1))
        await user.pilot.hover(LogLines, offset=(6, 2))
        await user.pilot.mouse_up(LogLines, offset=(6, 2))
        await user.title("Logs · server@mini1 · paused")
        await user.press("y")
        assert app.clipboard == "ne 15\nline 16"[: len("ne 15\nline 1") + 1]

    run(body)


def test_the_wheel_and_the_bar() -> None:
    async def body(app: Screen, user: User) -> None:
        app.panel.show([SERVER])
        app.write(SERVER, numbered(0, 600))
        await user.sees(lambda: "line 599" in app.rows())
        await user.pilot._post_mouse_events([MouseScrollUp], LogLines, offset=(2, 1))
        await user.sees(lambda: app.rows()[-1] == "line 596")
        await user.pilot.click(LogLines, offset=(57, 3))
        await user.sees(lambda: app.rows()[0] == "line 300")
        await user.pilot.click(LogLines, offset=(57, 0))
        await user.sees(lambda: app.rows()[0] == "line 0")
        await user.pilot.click(LogLines, offset=(57, 5))
        await user.title("Logs · server@mini1 · following")

    run(body)


def test_the_view_is_saved_to_a_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    async def body(app: Screen, user: User) -> None:
        app.write(SERVER, numbered(0, 2000))
        app.write(WORKER, "other\n")
        await user.press("ctrl+s", "]", "slash", "7", "enter")
        await user.title("Logs · server@mini1 · following · filter /7/ 542 of 2,000")
        await user.press("ctrl+s")
        await user.sees(lambda: len(app.saved) == 2, f"{app.saved}")
        whole, filtered = (event.path.read_text().splitlines() for event in app.saved)
        assert whole == [f"server@mini1 | line {i}" for i in range(2000)] + ["worker@pi4   | other"]
        assert filtered == [f"line {i}" for i in range(2000) if "7" in str(i)]
        assert [event.lines for event in app.saved] == [2001, 542]
        assert all(event.path.parent == tmp_path for event in app.saved)
        gone = tmp_path / "gone"
        gone.mkdir()
        monkeypatch.chdir(gone)
        gone.rmdir()
        await user.press("ctrl+s")
        await user.sees(lambda: any("cannot be saved" in row for row in app.drawn()), "no toast")

    run(body, (70, 10))


@pytest.mark.parametrize("size", [(40, 4), (12, 3), (400, 100)])
def test_every_size(size: tuple[int, int]) -> None:
    async def body(app: Screen, user: User) -> None:
        app.write(SERVER, "日本" * 400 + "\n" + numbered(0, 500))
        app.take(LogNotice(WORKER, "lost", NOW), LogTail(WORKER, "50%"))
        await user.sees(lambda: {*"50%"} & {*"".join(app.rows()[-1:])})
        await user.press("w", "g", "t", "slash", "5", "enter", "plus", "G")
        await user.sees(lambda: {*"50%"} & {*"".join(app.rows()[-1:])})
        drawn = app.drawn()
        assert len(drawn) == size[1]
        assert {cell_len(row) for row in drawn} == {size[0]}

    run(body, size)


def test_nothing_is_drawn_when_nothing_visible_changed() -> None:
    async def body(app: Screen, user: User) -> None:
        app.panel.show([SERVER])
        app.write(SERVER, numbered(0, 50))
        await user.sees(lambda: "line 49" in app.rows())
        await user.press("slash", "n", "enter")
        await user.title("Logs · server@mini1 · following · filter /n/ 50 of 50")
        calls: list[None] = []
        refresh = LogLines.refresh

        def counted(self: LogLines, *regions: object, **settings: object) -> object:
            calls.append(None)
            return refresh(self, *regions, **settings)  # type: ignore[arg-type] # passed through

        LogLines.refresh = counted  # type: ignore[assignment,method-assign] # put back below
        try:
            app.write(WORKER, "of another instance\n")
            app.write(SERVER, "filtered out\n")
            await user.title("Logs · server@mini1 · following · filter /n/ 50 of 51")
            assert calls == []
            began = time.monotonic()
            for _ in range(30):
                app.write(SERVER, numbered(50, 51))
                await asyncio.sleep(0.01)
            await user.title("Logs · server@mini1 · following · filter /n/ 80 of 81")
            most = (time.monotonic() - began) / 0.1 + 2
            assert 1 <= len(calls) <= most, "ten times a second, at most"
        finally:
            LogLines.refresh = refresh  # type: ignore[method-assign] # as it was

    run(body, (70, 8))


def test_without_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    async def body(app: Screen, user: User) -> None:
        app.write(SERVER, "\x1b[31mred\x1b[0m\n")
        await user.rows("server@mini1 | red")
        for row in app.screen._compositor.render_strips():
            for segment in row:
                colour = segment.style and segment.style.color
                if colour and colour.triplet:
                    assert len({*colour.triplet}) == 1, (segment.text, colour)

    run(body)
