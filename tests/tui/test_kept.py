"""Theme, sort and layout are kept for the next time; what is kept is never trusted."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

import pytest
from rich.console import Console

from fleetctl.tui import kept
from fleetctl.tui.app import FleetApp
from fleetctl.tui.kept import Kept
from fleetctl.tui.sixteen import SIXTEEN, has_sixteen
from tests.tui.stage import Screen, Stage

RED, GREEN, BRIGHT_RED = "color(1)", "color(2)", "color(9)"


@pytest.fixture(autouse=True)
def many_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleetctl.tui.theming.has_sixteen", lambda console: False)


def opened(
    before: Kept | None, act: object = None, *, wrong: bool = False
) -> tuple[list[Kept], Screen]:
    """The dashboard, opened as it was left, and what it keeps after ``act``, a list of keys."""
    written: list[Kept] = []

    async def body() -> Screen:
        stage = Stage()
        app = FleetApp(stage, kept=before, write=written.append)
        async with app.run_test(size=(120, 40)) as pilot:
            screen = Screen(app, pilot, stage)
            async with asyncio.timeout(8):
                while app.snapshot is None or not app.snapshot.complete:
                    await pilot.pause()
            if wrong:
                stage.states["worker@pi4"] = "failed"
                stage.change()
                await screen.until("service-failed")
            for key in act if isinstance(act, list) else []:
                await screen.type(key)
            await pilot.pause()
            screen.colours = colours(screen)  # type: ignore[attr-defined]  # for a look afterwards
            screen.seen = screen.text  # type: ignore[attr-defined]
        return screen

    return written, asyncio.run(asyncio.wait_for(body(), 30))


def colours(screen: Screen) -> dict[str, set[str]]:
    """The colours on the screen, with the texts that have them."""
    found: dict[str, set[str]] = {}
    for strip in screen.app.screen._compositor.render_strips(screen.app.size):
        for segment in strip:
            if segment.style and segment.style.color and segment.text.strip():
                found.setdefault(segment.style.color.name, set()).add(segment.text.strip())
    return found


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        '{"theme": 3}',
        '{"sort": ["a"]}',
        "\x00\xff",
        '{"theme": "x"' + " " * 10_000 + "}",
    ],
)
def test_bad_content_is_ignored(tmp_path: Path, content: str) -> None:
    file = tmp_path / "dashboard.json"
    file.write_bytes(content.encode("latin-1"))
    assert kept.read(str(file)) == Kept()


def test_what_cannot_be_read_or_written_is_ignored(tmp_path: Path) -> None:
    assert kept.read(str(tmp_path / "none")) == Kept()
    assert kept.read(str(tmp_path)) == Kept()
    os.mkfifo(tmp_path / "fifo")
    assert kept.read(str(tmp_path / "fifo")) == Kept()
    (tmp_path / "file").touch()
    kept.write(Kept("nord"), str(tmp_path / "file" / "dashboard.json"))


def test_what_is_written_is_read_again_by_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "state" / "dashboard.json"
    kept.write(Kept("nord", "worst", "LogPanel"), str(file))
    kept.write(Kept("nord", "load", "LogPanel"), str(file))
    assert kept.read(str(file)) == Kept("nord", "load", "LogPanel")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(file.parent.iterdir()) == [file]


def test_the_dashboard_opens_as_it_was_left() -> None:
    written, screen = opened(Kept("textual-light", "worst", "NodesPanel"))
    assert screen.app.theme == "textual-light"
    assert "Nodes · worst first" in screen.seen  # type: ignore[attr-defined]
    assert "Problems" not in screen.seen  # type: ignore[attr-defined]
    assert written == []


def test_words_that_mean_nothing_change_nothing() -> None:
    _, screen = opened(Kept("no such theme", "shoe size", "Footer"))
    assert "Problems" in screen.seen  # type: ignore[attr-defined]
    assert "Nodes ─" in screen.seen  # type: ignore[attr-defined]


def test_what_changes_is_kept() -> None:
    written, _ = opened(Kept(), ["S", "z"])
    assert written == [Kept(sort="worst"), Kept(sort="worst", zoomed="NodesPanel")]
    written, _ = opened(Kept(sort="worst", zoomed="NodesPanel"), ["z"])
    assert written == [Kept(sort="worst")]


def test_a_theme_that_is_chosen_is_kept() -> None:
    async def body() -> list[Kept]:
        written: list[Kept] = []
        app = FleetApp(Stage(), kept=Kept(), write=written.append)
        async with app.run_test(size=(120, 40)) as pilot:
            app.theme = "nord"
            await pilot.pause()
        return written

    assert asyncio.run(asyncio.wait_for(body(), 30)) == [Kept("nord")]


def test_with_16_colours_good_and_wrong_differ_and_nothing_ordinary_is_red(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fleetctl.tui.theming.has_sixteen", lambda console: True)
    for before in (Kept(), Kept("nord")):  # that has more colours than the terminal
        _, screen = opened(before)
        assert screen.app.theme == SIXTEEN.name
        found = screen.colours  # type: ignore[attr-defined]
        assert not {RED, BRIGHT_RED} & set(found)
        assert any("●" in text for text in found[GREEN])
    _, screen = opened(Kept("ansi-light"), wrong=True)
    assert screen.app.theme == "ansi-light"
    _, screen = opened(Kept(), wrong=True)
    assert any("✖" in text for text in screen.colours[RED])  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("environ", "sixteen"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "linux"}, True),
        ({"TERM": "xterm-256color"}, False),
        ({"TERM": "xterm", "COLORTERM": "truecolor"}, False),
    ],
)
def test_how_many_colours_a_terminal_has(environ: dict[str, str], sixteen: bool) -> None:
    assert has_sixteen(Console(force_terminal=True, _environ=environ)) == sixteen
