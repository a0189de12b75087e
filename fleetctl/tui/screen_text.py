"""What is on the screen as plain text, panel by panel, for a screen reader or a mail."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from textual.app import App
from textual.geometry import Region
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget

from fleetctl.errors import FleetctlError
from fleetctl.tui.logs.saving import save

_FRAME = re.compile(r"[─━│┃╭╮╰╯├┤┬┴┼┌┐└┘╔╗╚╝═║▁▂▃▄▅▆▇█▔▕▏▎▌▐░▒▓]+")
_DRAWN_S = 1.0
_MARKS = "Marks: ● well, ◐ on its way, ○ not running, ▲ something is wrong, ✖ failed, ? not known."


async def write_screen(app: App[Any]) -> None:
    """Write it into a new file in the present folder, and say which.

    :raises FleetctlError: it cannot be written.
    """
    app.clear_notifications()  # they would cover what is below
    drawn = asyncio.Event()
    app.call_after_refresh(drawn.set)
    with suppress(TimeoutError):
        await asyncio.wait_for(drawn.wait(), _DRAWN_S)
    lines = [f"{line}\n" for line in screen_text(app.screen)]
    try:
        path, written = await asyncio.to_thread(save, lines, Path(), "screen", ".txt")
    except OSError as error:
        raise FleetctlError(
            f"the screen cannot be written into the current folder: {error.strerror}"
        ) from None
    app.notify(f"{written} lines of the screen are in {path.resolve()}", markup=False)


def screen_text(screen: Screen[Any]) -> Iterator[str]:
    """The screen as lines: each panel by itself below its title, without frames."""
    size = screen.app.size
    strips = screen._compositor.render_strips(size)[: size.height]
    yield f"fleetctl, {datetime.now().astimezone():%Y-%m-%d %H:%M:%S %Z}"
    for widget in _parts(screen):
        title = widget.border_title or ""
        lines = [*_lines(strips, widget.content_region if title else widget.region)]
        if title:
            yield ""
            yield f"{_plain(str(title))}:"
        yield from lines
    yield ""
    yield _MARKS


def _parts(screen: Screen[Any]) -> Sequence[Widget]:
    """The widgets that are shown, outermost panels and single lines, from above to below."""
    found: list[Widget] = []

    def look(widget: Widget) -> None:
        for child in widget.children:
            if not child.display or not child.region:
                continue
            if child.border_title or not child.children or child.region.height == 1:
                found.append(child)
            else:
                look(child)

    look(screen)
    return sorted(found, key=lambda widget: (widget.region.y, widget.region.x))


def _lines(strips: Sequence[Strip], region: Region) -> Iterator[str]:
    for strip in strips[region.y : region.bottom]:
        line = _plain(strip.crop(region.x, region.right).text)
        if line:
            yield line


def _plain(text: str) -> str:
    """Without what is only drawn; runs of blanks are columns, which a comma tells apart."""
    return re.sub(r" {2,}", ", ", _FRAME.sub("  ", text).strip()).strip(", ")
