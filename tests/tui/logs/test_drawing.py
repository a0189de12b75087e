"""Drawing lines of logs as cells."""

from __future__ import annotations

import re

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.segment import Segment
from rich.style import Style

from fleetctl.logs.matching import Pattern
from fleetctl.logs.tidying import tidy
from fleetctl.tui.logs.drawing import drawing, fitted, highlight, restyled, strips

BASE = Style(color="white", bgcolor="black")
CONSOLE = Console()


@pytest.mark.parametrize(
    ("text", "width", "rows"),
    [
        ("", 5, [""]),
        ("abcde", 5, ["abcde"]),
        ("abcdefghijkl", 5, ["abcde", "fghij", "kl"]),
        ("日本語の行", 5, ["日本", "語の", "行"]),
        ("a日本語", 4, ["a日", "本語"]),
        ("x" * 4 + "🦊", 5, ["xxxx", "🦊"]),
        ("e\u0301" * 6, 3, ["e\u0301" * 3] * 2),
        ("日本", 1, ["日", "本"]),
        ("a\tb", 5, ["a    ", "   b"]),
        ("anything", None, ["anything"]),
    ],
)
def test_long_lines_break_between_characters(text: str, width: int | None, rows: list[str]) -> None:
    made = strips(drawing(text, BASE), CONSOLE, width)
    assert [strip.text for strip in made] == rows
    assert all(strip.cell_length <= max(width or 99, 2) for strip in made)


def test_colours_stay_on_the_base_style() -> None:
    (strip,) = strips(drawing("a \x1b[1;31mred\x1b[0m b", BASE), CONSOLE, None)
    looks = {segment.text: segment.style for segment in strip if segment.style}
    assert looks["red"].color and looks["red"].color.number == 1
    assert looks["red"].bold
    assert all(look.bgcolor == BASE.bgcolor for look in looks.values())
    assert strip.text == "a red b"


def test_what_turns_the_direction_of_writing_is_shown_as_a_mark() -> None:
    assert drawing("user\u202etxt.exe\u2066", BASE).plain == "user\ufffdtxt.exe\ufffd"


def test_hits_are_marked_but_not_without_end() -> None:
    line = drawing("ab" * 5000, BASE)
    highlight(line, Pattern("a"), Style(reverse=True))
    assert 100 < len(line.spans) <= 500
    empty = drawing("abc", BASE)
    highlight(empty, Pattern("x*"), Style(reverse=True))
    (strip,) = strips(empty, CONSOLE, None)
    assert not any(segment.style and segment.style.reverse for segment in strip)


@pytest.mark.parametrize(
    ("name", "cells", "shown"),
    [
        ("pi4", 6, "pi4   "),
        ("worker@pi4", 7, "worker…"),
        ("日本日本", 6, "日本 …"),
        ("日", 4, "日  "),
        ("ab", 1, "…"),
    ],
)
def test_names_take_equal_cells(name: str, cells: int, shown: str) -> None:
    assert fitted(name, cells) == shown
    assert cell_len(shown) == cells


@pytest.mark.parametrize(
    ("start", "end", "selected"),
    [(0, None, "one two"), (2, 5, "e t"), (5, None, "wo"), (9, 12, ""), (0, 0, "")],
)
def test_a_selection_covers_its_characters(start: int, end: int | None, selected: str) -> None:
    segments = [Segment("one", BASE), Segment(" two", None)]
    made = list(restyled(segments, start, end, Style(reverse=True)))
    assert "".join(s.text for s in made) == "one two"
    assert "".join(s.text for s in made if s.style and s.style.reverse) == selected


@pytest.mark.parametrize(
    "data", [b"\xff\xfe broken \xc3", b"\x1b[31", b"\x1b]0;title\x07ok", b"\x00\x08x"]
)
def test_any_bytes_are_drawn_without_controls(data: bytes) -> None:
    text = tidy(data).decode("utf-8", "replace")
    (strip,) = strips(drawing(text, BASE), CONSOLE, None)
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", strip.text)


def test_every_cell_has_the_screens_colours() -> None:
    """The terminal's own colours would be wrong with a light theme on a dark terminal."""
    base = Style.parse("black on white")
    for text in ("plain", "\x1b[31mred\x1b[0m and plain"):
        (strip,) = strips(drawing(text, base), Console(), None)
        assert all(s.style and s.style.bgcolor == base.bgcolor for s in strip), text
