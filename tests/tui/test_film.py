"""The film of the README: what is committed can be shown, and shows what the script took."""

from __future__ import annotations

import json
import re
import sys
from importlib import import_module
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.tui.stage import Screen, played

ROOT = Path(__file__).parents[2]
CAST, SVG = ROOT / "docs/pictures/tour.cast", ROOT / "docs/pictures/tour.svg"
LONGEST_S = 60.0
MOST_BYTES = 700_000


def replayed(text: str) -> tuple[list[str], float]:
    """The last screen of an asciicast that moves the cursor to lines alone, and its length."""
    first, *rest = text.splitlines()
    size = json.loads(first)
    assert size["version"] == 2
    rows, at_s = [""] * size["height"], 0.0
    for line in rest:
        then_s, kind, drawn = json.loads(line)
        assert kind == "o" and then_s >= at_s
        at_s = then_s
        for row, said in re.findall(r"\x1b\[(\d+);1H((?:(?!\x1b\[\d+;1H).)*)", drawn, re.DOTALL):
            plain = re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]", "", said)
            assert "\x1b" not in plain
            rows[int(row) - 1] = plain.rstrip()
    return rows, at_s


def test_a_film_shows_the_screens_that_were_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    film = import_module("film")

    async def act(screen: Screen) -> None:
        taken = film.Film(screen.app)
        taken.take(1.5)
        await screen.type("l")
        await screen.until("Logs · server@mini1")
        taken.take(2.0)
        rows, length_s = replayed(film.asciicast(taken.frames, taken.columns, "t"))
        assert rows == screen.lines()
        assert length_s == 3.5
        svg = ElementTree.fromstring(film.animated_svg(taken.frames, taken.columns, "t", "mono"))
        shown = "".join(svg.itertext())
        assert "Logs · server@mini1" in shown and "Logs · all" in shown
        assert shown.count("nothing is wrong") == 1  # a line of both frames is there once

    played(act)
    sys.modules.pop("film", None)


def test_the_film_is_short_and_has_the_new_keys() -> None:
    rows, length_s = replayed(CAST.read_text("utf-8"))
    assert 10 < length_s < LONGEST_S
    assert any("Help" in row for row in rows)
    text = SVG.read_text("utf-8")
    said = "".join(ElementTree.fromstring(text).itertext())
    for part in ("[s] start", "worker@pi4", "Everything here is live"):
        assert part in said
    assert len(text.encode()) < MOST_BYTES
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
