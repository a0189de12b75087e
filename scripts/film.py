"""A film of a dashboard: frames of its screen, as an asciicast and as one animated SVG.

The formats: https://docs.asciinema.org/manual/asciicast/v2/, and SVG 1.1 with CSS animations.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any
from xml.sax.saxutils import escape

from msgspec import Struct
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from rich.terminal_theme import DIMMED_MONOKAI
from textual.app import App

CELL_WIDTH, CELL_HEIGHT = 8.4, 18
GROUND = "#121212"
INK = "#e0e0e0"
LEAST_S = 0.001

Line = tuple[Segment, ...]


class Frame(Struct, frozen=True):
    """The screen, and for how long it stays."""

    lines: tuple[Line, ...]
    stays_s: float


class Film:
    """Takes frames of ``app``; what it shows in between is left out."""

    def __init__(self, app: App[Any]) -> None:
        self._app = app
        self.frames: list[Frame] = []

    def take(self, stays_s: float) -> None:
        """The screen as it is now."""
        size = self._app.size
        strips = self._app.screen._compositor.render_strips(size)[: size.height]
        lines = tuple(tuple(strip.crop(0, size.width).simplify()) for strip in strips)
        self.frames.append(Frame(lines, stays_s))

    @property
    def columns(self) -> int:
        return self._app.size.width


def asciicast(frames: Sequence[Frame], columns: int, title: str) -> str:
    """An asciicast of version 2: each frame draws the lines that changed."""
    size = {"width": columns, "height": len(frames[0].lines)}
    said = [json.dumps({"version": 2, **size, "title": title})]
    at_s, before = 0.0, ()
    for frame in frames:
        changed = [
            f"\x1b[{row + 1};1H{_ansi(line)}\x1b[0m"
            for row, line in enumerate(frame.lines)
            if row >= len(before) or before[row] != line
        ]
        begins = "\x1b[?25l\x1b[2J" if not before else ""
        said.append(json.dumps([round(at_s, 3), "o", begins + "".join(changed)]))
        at_s, before = at_s + frame.stays_s, frame.lines
    said.append(json.dumps([round(at_s, 3), "o", "\x1b[0m"]))
    return "\n".join(said) + "\n"


def _ansi(line: Line) -> str:
    return "".join(
        (part.style or Style.null()).render(part.text, color_system=ColorSystem.TRUECOLOR)
        for part in line
        if not part.control
    )


def animated_svg(frames: Sequence[Frame], columns: int, title: str, fonts: str) -> str:
    """One picture that shows a frame after the other, again and again; a line that several frames
    have is in it once. Where motion is not wanted, it shows the last."""
    rows, drawn = len(frames[0].lines), dict[Line, str]()
    all_s = sum(frame.stays_s for frame in frames)
    shows, rules, at_s = [], [], 0.0
    for number, frame in enumerate(frames):
        used = [
            f'<use href="#{drawn.setdefault(line, f"l{len(drawn)}")}" y="{row * CELL_HEIGHT}"/>'
            for row, line in enumerate(frame.lines)
        ]
        shows.append(f'<g class="f" id="f{number}">{"".join(used)}</g>')
        begins, ends = 100 * at_s / all_s, 100 * (at_s + frame.stays_s) / all_s
        rules.append(
            f"@keyframes k{number}{{0%{{opacity:{int(number == 0)}}}"
            + (f"{begins:.3f}%{{opacity:1}}" if number else "")
            + (f"{ends:.3f}%{{opacity:0}}" if ends < 100 else "")
            + f"100%{{opacity:{int(ends >= 100)}}}}}#f{number}{{animation-name:k{number}}}"
        )
        at_s += frame.stays_s
    width, height = columns * CELL_WIDTH, rows * CELL_HEIGHT
    lines = "".join(f'<g id="{name}">{"".join(_svg(line))}</g>' for line, name in drawn.items())
    last = len(frames) - 1
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height + 8}" '
        f'fill="{INK}" font-size="14" font-family="{fonts}" role="img" '
        f'aria-label="{escape(title)}"><title>{escape(title)}</title><style>'
        "text{white-space:pre}"
        f".f{{opacity:0;animation:{all_s:g}s steps(1,end) infinite}}{''.join(rules)}"
        f"@media (prefers-reduced-motion){{.f{{animation:none}}#f{last}{{opacity:1}}}}"
        f'</style><rect width="100%" height="100%" rx="6" fill="{GROUND}"/>'
        f"<defs>{lines}</defs>{''.join(shows)}</svg>\n"
    )


def _svg(line: Line) -> Iterator[str]:
    """The parts of a line, each where its cells are."""
    at = 0
    for part in line:
        style, wide = part.style or Style.null(), part.cell_length
        ink = style.color.get_truecolor(DIMMED_MONOKAI).hex if style.color else INK
        ground = style.bgcolor.get_truecolor(DIMMED_MONOKAI).hex if style.bgcolor else GROUND
        if style.reverse:
            ink, ground = ground, ink
        x, width = f"{at * CELL_WIDTH:g}", f"{wide * CELL_WIDTH:g}"
        if ground != GROUND:
            yield f'<rect x="{x}" width="{width}" height="{CELL_HEIGHT}" fill="{ground}"/>'
        if part.text.strip():
            bold = ' font-weight="bold"' if style.bold else ""
            colour = f' fill="{ink}"' if ink != INK else ""
            yield (
                f'<text x="{x}" y="13.5" textLength="{width}"{bold}{colour} '
                f'xml:space="preserve">{escape(part.text)}</text>'
            )
        at += wide
