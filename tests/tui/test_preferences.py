"""``~/.config/fleetctl/tui.toml``: theme and keys; what is wrong in it names its line."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from textual.binding import Binding
from textual.color import Color
from textual.theme import BUILTIN_THEMES

from fleetctl.errors import ConfigError
from fleetctl.tui.app import FleetApp, preferences
from fleetctl.tui.kept import Kept
from fleetctl.tui.own_keys import of_all
from fleetctl.tui.palettes import COLOURS_256, LIGHT, OURS, visible
from fleetctl.tui.preferences import Preferences
from fleetctl.tui.screens.dashboard import Dashboard
from tests.tui.stage import Screen, Stage

PAGE = Path(__file__).parents[2] / "docs/dashboard.md"


@pytest.mark.parametrize(
    ("text", "mistakes"),
    [
        ("[keys\n", ["1:6: Expected ']' at the end of a table declaration"]),
        ('theme = "nord"\n\nkeys = [', ["3: Invalid value: the text ends here"]),
        ('\ntheme = "nrod"', ["2: there is no theme 'nrod'. Did you mean 'nord'?"]),
        ("theme = 3", ["1: there is no theme 3"]),
        ("thema = 'nord'", ["1: there is no 'thema'; theme and [keys] are what there is"]),
        ("keys = 3", ["1: keys is a table: [keys], and below it lines like stop = 'X'"]),
        (
            '[keys]\nstrat = "K"\nstop = "f"\n[keys.logs]\npause = "blah"\n',
            [
                "2: no key does 'strat'. Did you mean 'start'?",
                "3: f is also the key of fix; give that another one",
                "5: 'blah' is no key; keys are 'X', '?', 'ctrl+x', 'f5', 'space'",
            ],
        ),
        ("[keys]\nstop = 'ctrl+c'", ["2: ctrl+c keeps its meaning: take another key for stop"]),
        ("[keys]\nstop = ['X', 5]", ["2: 5 is no key; keys are 'X', '?', 'ctrl+x', 'f5', 'space'"]),
        ("[keys]\nstop = ''", ["2: '' is no key; keys are 'X', '?', 'ctrl+x', 'f5', 'space'"]),
        (
            "[keys]\nzoom = 'S'\n[keys.node]\nraw = 'k'\n[keys.training]\ncurve = ['+', 'v']\n",
            [
                "2: S is also the key of nodes.sort; give that another one",
                "4: k is also the key of page.up; give that another one",
                "6: plus is also the key of past.span_back; give that another one",
            ],
        ),
        ("[keys.links]\nbench = 'l'\n[keys.logs]\npause = 's'\n", []),
        ("[keys]\nstop = []", []),
    ],
)
def test_each_mistake_names_its_line(tmp_path: Path, text: str, mistakes: list[str]) -> None:
    file = tmp_path / "tui.toml"
    file.write_text(text)
    if not mistakes:
        assert preferences(str(file)) == Preferences(keys=preferences(str(file)).keys)
        return
    with pytest.raises(ConfigError) as told:
        preferences(str(file))
    assert told.value.mistakes == [f"{file}:{said}" for said in mistakes]


def test_what_is_no_file_of_text_is_refused(tmp_path: Path) -> None:
    assert preferences(str(tmp_path / "none")) == Preferences()
    with pytest.raises(ConfigError, match="cannot be read"):
        preferences(str(tmp_path))
    file = tmp_path / "tui.toml"
    file.write_bytes(b"theme = 'nord'\n\xff")
    with pytest.raises(ConfigError, match=r":2: this is no UTF-8"):
        preferences(str(file))
    file.write_text("#" * 70_000)
    with pytest.raises(ConfigError, match="larger than 64 KiB"):
        preferences(str(file))


def test_keys_and_theme_are_taken_and_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleetctl.tui.theming.has_sixteen", lambda console: False)
    file = tmp_path / "tui.toml"
    file.write_text('theme = "light"\n[keys]\nstop = "X"\nevents = ["E", "f5"]\n')
    written: list[Kept] = []

    async def body() -> None:
        stage = Stage()
        wanted = preferences(str(file))
        app = FleetApp(stage, kept=Kept("nord"), write=written.append, preferences=wanted)
        async with app.run_test(size=(120, 40), notifications=True) as pilot:
            screen = Screen(app, pilot, stage)
            text = await screen.until("5/5 ready", "X stop server")
            assert app.theme == "light"
            assert app.key_of("stop") == "X"
            await screen.type("x")
            await pilot.pause()
            assert screen.text.splitlines()[1:] == text.splitlines()[1:]
            await screen.type("X")
            await screen.until("Stop edp", "Cancel")
            await screen.type("escape", "f5")
            await screen.until("Timeline · ")
            app.theme = "nord"
            await pilot.pause()
        assert written == []  # the file decides the next time, too

    asyncio.run(asyncio.wait_for(body(), 40))


def test_the_page_names_each_action_whose_key_can_be_changed() -> None:
    text = PAGE.read_text("utf-8")
    part = text[text.index("## Themes and keys of your own") :]
    told = set(re.findall(r"`([a-z_]+(?:\.[a-z_]+)?|layout_[123])`", part))
    assert of_all().keys.keys() - told == set()
    assert {name for name in told if "." in name} - of_all().keys.keys() - {"tui.toml"} == set()
    assert all(isinstance(b, Binding) and b.id for b in Dashboard.BINDINGS)


def test_each_screen_has_keys_of_one_s_own_and_shows_them(tmp_path: Path) -> None:
    file = tmp_path / "tui.toml"
    file.write_text(
        "[keys]\nwrite_screen = 'W'\n[keys.page]\nback = 'Q'\nfind = 'v'\n[keys.node]\nraw = 'R'\n"
        "[keys.links]\nbench = 'M'\n[keys.timeline]\nnow = 'h'\n[keys.training]\ncurve = 'V'\n"
        "[keys.bench]\nmeasure = 'G'\n[keys.fix]\napply = 'A'\nchoose = 'c'\n"
        "[keys.choice]\nfind = 'f'\n[keys.past]\nspan_on = '*'\n"
    )

    async def body() -> None:
        stage = Stage()
        stage.world.hosts["mini3"].forwarding = False
        app = FleetApp(stage, preferences=preferences(str(file)))
        async with app.run_test(size=(160, 50), notifications=True) as pilot:
            screen = Screen(app, pilot, stage)
            await screen.until("5/5 ready", "forwarding-off")
            await screen.type("question_mark")
            await screen.until("c A P ", "+ * ", "b M ")
            await screen.type("Q", "enter")
            await screen.until(
                "Network: expected beside observed",
                "R commands and output",
            )
            await screen.type("R")
            await screen.until("ip route")
            await screen.type("escape", "b")
            await screen.until("Links", "M bench", "* longer")
            await screen.type("v", *"pi4")
            await screen.until("Links · ", "with 'pi4'")
            await screen.type("escape", "M")
            await screen.until("Bench · what the links carry", "nothing was measured")
            await screen.type("Q", "Q", "e")
            await screen.until("h now")
            await screen.type("Q", "T")
            await screen.until("V other curve")
            await screen.type("Q", "F")
            await screen.until("A runs 1 command on mini3", "A run these commands")
            await screen.type("c")
            await screen.until("nothing is chosen: c takes in")
            await screen.type("Q", "J")
            await screen.until("Jobs", "f filter")

    asyncio.run(asyncio.wait_for(body(), 180))


def in_256(colour: str) -> bool:
    """Whether it is one of the colours 16 to 255 of xterm."""
    levels, parsed = {0, 95, 135, 175, 215, 255}, Color.parse(colour)
    grey = parsed.r == parsed.g == parsed.b and parsed.r in range(8, 239, 10)
    return grey or {parsed.r, parsed.g, parsed.b} <= levels


@pytest.mark.parametrize("theme", OURS, ids=lambda theme: theme.name)
def test_every_colour_of_ours_is_one_of_the_256(theme: object) -> None:
    assert theme in (COLOURS_256, LIGHT)
    for one in OURS:
        named = [one.primary, one.accent, one.error, one.foreground, one.background, one.panel]
        colours = [*named, *one.variables.values()]
        assert [c for c in colours if c is None or not in_256(c)] == []


@pytest.mark.parametrize("theme", [*BUILTIN_THEMES.values(), *OURS], ids=lambda theme: theme.name)
def test_borders_can_be_seen_in_every_theme(theme: object) -> None:
    from textual.theme import Theme

    assert isinstance(theme, Theme)
    variables = visible(theme, {**theme.to_color_system().generate(), **theme.variables})
    border = variables["panel-lighten-2"]
    if theme.ansi:
        assert border == "ansi_bright_black"
        return
    ground = Color.parse(variables["background"])
    assert abs(Color.parse(border).brightness - ground.brightness) > 0.1, border
