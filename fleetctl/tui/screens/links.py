"""The screen of links: every link and path over time, and what the last bench said of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from textual import on
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import OptionList, Static

from fleetctl.model.node_status import ReachStatus
from fleetctl.tui import links as of_links
from fleetctl.tui.keymap import with_ids
from fleetctl.tui.links import Key, Link
from fleetctl.tui.past.axis import time_axis
from fleetctl.tui.screens.link import LinkScreen
from fleetctl.tui.screens.moving import MovingPage, moving
from fleetctl.tui.screens.past import Body
from fleetctl.tui.sheets import joined
from fleetctl.tui.tones import drawn, toned
from fleetctl.tui.widgets.rows import Rows
from fleetctl.undertakings import Snapshot

_TIME = "over time"
MOST_ROWS = 200
"""Further ones are counted; those that lost something come first."""
_FIGURES = (("last", 6), ("p50", 6), ("p99", 6), ("jitter", 6), ("loss", 5))
_BENCH = (("there", 13), ("back", 13), ("expected", 11), ("best", 11), ("port", 11))
_LEAST_BARS, _MOST_BARS = 16, 160
_LEAST_LABEL, _MOST_LABEL = 22, 44
_ROOMY = 110
"""With fewer columns labels are short, and one blank is between columns."""


class LinksScreen(MovingPage):
    """Rows of links; the lines below are about that under the cursor."""

    WANTED = of_links.WANTED
    FINDS: ClassVar[str] = "part of the name of a node or network"
    BINDINGS: ClassVar[list[BindingType]] = with_ids(
        [
            Binding("b", "bench", "bench"),
        ],
        "links.",
    ) + moving("links.")
    DEFAULT_CSS = """
    LinksScreen #head { height: 2; text-wrap: nowrap; }
    LinksScreen #about { height: auto; max-height: 6; border-top: solid $panel-lighten-2; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._links: Sequence[Link] = ()
        self._read_once = False
        self._known: dict[Key, list[Content]] = {}
        """By link: the cells that do not change from look to look."""
        self._made_for = 0
        """For which width these were made."""
        self._lines: dict[Key, tuple[str, str, Content]] = {}
        """By link: its mark, its newest round trip, and the row with them."""

    def body(self) -> Widget:
        box = Body(Static(id="head", markup=False), Rows(), Static(id="about", markup=False))
        box.border_title = f"Links · {of_links.LEGEND}"
        return box

    def on_mount(self) -> None:
        self.query_one(Rows).focus()

    async def prepare(self) -> None:
        snapshot, service = self.app.snapshot, self.app.service
        if snapshot is None:
            return
        benched = await asyncio.to_thread(service.past_bench)
        found = await asyncio.to_thread(of_links.links, snapshot, self.stretch, benched)
        known = await asyncio.to_thread(self._cells_of, found, found)
        self._links, self._known, self._lines = found, known, {}
        self._read_once = True

    def draw(self) -> None:
        rows, snapshot = self.query_one(Rows), self.app.snapshot
        self.query_one(".body").border_subtitle = Content(self.note)
        if snapshot is None or not self._links:
            rows.show([("", toned(self._why_none(snapshot), "quiet"))])
            return
        now = of_links.reach_rows(snapshot)
        gap, label, bars, bench = self._widths(self._links)
        self._wide = bars
        self.query_one("#head", Static).update(self._heads(gap, label, bench=bench))
        shown = self._shown()
        if self._made_for != rows.size.width:
            self._known, self._lines = self._cells_of(shown, self._links), {}
        lines = [(_id(link), self._line(link, now.get(link.key), gap)) for link in shown]
        if (left := len(self._links) - len(shown)) and not self.sought:
            lines.append(("", toned(f"and {left} more, which lost no more than these", "quiet")))
        rows.show(lines or [self.nothing_found()])
        self._show_about()

    def _why_none(self, snapshot: Snapshot | None) -> str:
        if snapshot is None or not snapshot.complete:
            return "asking …"
        return "no node has a link or path to another" if self._read_once else "reading …"

    def _heads(self, gap: str, label: int, *, bench: bool) -> Content:
        """The names of the columns; above the bars is the cursor, and the times below it."""
        before = "  " + gap.join(name.ljust(width) for name, width in (("link", label), *_FIGURES))
        after = "".join(gap + name.ljust(width) for name, width in _BENCH) if bench else ""
        cursor = self.cursor_line().ljust(self._wide)
        if cursor.startswith(" " * (len(_TIME) + 1)):
            cursor = _TIME + cursor[len(_TIME) :]
        heads = Content.assemble(toned(before + gap, "quiet"), cursor, toned(after, "quiet"))
        times = " " * len(before + gap) + time_axis(self.stretch, self._wide)
        return joined([heads, toned(times, "quiet")])

    def _shown(self) -> Sequence[Link]:
        found = self._links
        if self.sought:
            found = [link for link in found if self.has_sought(link.label)]
        return found[:MOST_ROWS]

    def _line(self, link: Link, row: ReachStatus | None, gap: str) -> Content:
        """The row of a link; made anew only where something of it changed."""
        sign, newest = of_links.sign(row), of_links.last(row)
        known = self._lines.get(link.key)
        if known is None or known[:2] != (sign.symbol, newest.plain):
            if link.key not in self._known:  # beyond the first ones, and sought
                self._known |= self._cells_of([link], self._links)
            name, *rest = self._known[link.key]
            line = Content(gap).join([name, _filled(newest, _FIGURES[0][1]), *rest])
            line = Content.assemble(drawn(sign), " ", line)
            known = self._lines[link.key] = sign.symbol, newest.plain, line
        return known[2]

    def _cells_of(self, found: Sequence[Link], every: Sequence[Link]) -> dict[Key, list[Content]]:
        """The first of ``found``, in columns that fit ``every``; of many this takes long."""
        if not found:
            return {}
        self._made_for = self.query_one(Rows).size.width
        _, label, bars, bench = self._widths(every)
        return {link.key: self._cells(link, label, bars, bench=bench) for link in found[:MOST_ROWS]}

    def _widths(self, found: Sequence[Link]) -> tuple[str, int, int, bool]:
        """What is between columns, the width of labels and of bars, and whether there is room for
        what the bench said."""
        room = self.query_one(Rows).size.width - 3
        gap = "  " if room >= _ROOMY else " "
        longest = max(cell_len(link.label) for link in found)
        label = min(max(longest, _LEAST_LABEL), _MOST_LABEL if room >= _ROOMY else _LEAST_LABEL)
        room -= label + sum(width + len(gap) for _, width in _FIGURES) + len(gap)
        wide = sum(width + len(gap) for _, width in _BENCH)
        bench = room >= wide + _LEAST_BARS
        room -= wide if bench else 0
        return gap, label, min(max(room, 4), _MOST_BARS), bench

    def _cells(self, link: Link, label: int, bars: int, *, bench: bool) -> list[Content]:
        stretch = self.stretch
        nodes = tuple(self.app.service.fleet.nodes)
        cells = [_filled(Content(link.short(label, nodes)), label)]
        for text, (_, width) in zip(of_links.figure_cells(link), _FIGURES[1:], strict=True):
            cells.append(_filled(Content(text), width))
        cells.append(of_links.bars(link, stretch.since_s, stretch.until_s, bars))
        if bench:
            for cell, (_, width) in zip(of_links.bench_cells(link), _BENCH, strict=True):
                cells.append(_filled(cell, width))
        return cells

    @property
    def chosen(self) -> Link | None:
        """The link under the cursor."""
        key = self.query_one(Rows).key
        return next((link for link in self._links if _id(link) == key), None)

    def _show_about(self) -> None:
        link, snapshot = self.chosen, self.app.snapshot
        if link and snapshot:
            self.query_one("#about", Static).update(joined(of_links.about(link, snapshot)))

    @on(OptionList.OptionHighlighted)
    def _moved(self) -> None:
        self._show_about()

    @on(OptionList.OptionSelected)
    def _opened(self) -> None:
        if link := self.chosen:
            self.app.push_screen(LinkScreen(link, self.stretch))

    def action_bench(self) -> None:
        """Measure what the links carry."""
        self.app.show_bench()


def _id(link: Link) -> str:
    return f"{link.key[0]}:{link.key[1]}/{link.key[2]}"


def _filled(cell: Content, width: int) -> Content:
    """``cell`` in exactly ``width`` columns."""
    short = cell.truncate(width, ellipsis=True)
    return short.pad_right(width - short.cell_length)
