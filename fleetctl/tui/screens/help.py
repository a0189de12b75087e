"""The help screen: the keys, and what the marks mean."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from textual.binding import ActiveBinding
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from fleetctl.tui.host import Host
from fleetctl.tui.screens.page import Page
from fleetctl.tui.sheets import heading, joined, table

_KEYS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("start", "stop", "restart"), "start, stop, restart: the job, or what the cursor is on; asks"),
    (("stop",), "while a start goes on, also Ctrl-C: stop waiting, or stop what was begun"),
    (("open_action",), "the start or stop that goes on"),
    (
        ("look_at", "attach"),
        "attach to its tmux window, to look or to type; its last line says how to come back",
    ),
    ((), "Enter opens the node or the problem under the cursor, as two clicks do"),
    (("check",), "check: every node is asked everything; which node reaches which"),
    (("training",), "training: each rank's step, rate and lag, what differs at the last, the loss"),
    (
        ("links", "links.bench"),
        "links: each over time, Enter its samples; again: measures what they carry",
    ),
    (("fix", "fix_all"), "the commands that repair what the cursor is on, or all"),
    (
        ("fix.choose", "fix.apply", "fix.password"),
        "there: takes a repair out or in, runs them, asks for sudo's password",
    ),
    (("undo", "undo_all"), "shows the commands that undo repairs of that node, or of all"),
    (("web_page",), "opens the web page of what the cursor is on, or of the job, in the browser"),
    (("logs", "all_logs"), "the log of what the cursor is on, or of what is marked; all logs"),
    (("mark", "unmark"), "marks what the cursor is on: keys act on all that is marked; no marks"),
    (("find", "find_node"), "filters the panel with the cursor; the nodes; Esc shows all again"),
    (
        ("node.go_back", "node.go_on"),
        "in a node the one before and the next; in the topology its links, in the logs one or all",
    ),
    (("logs.by_time_back", "logs.by_time_on"), "in the logs a minute back or on"),
    (("logs.search", "logs.pause"), "in the logs: searches, pauses; @pi* in a filter picks"),
    (("events",), "timeline: what changed, why, who asked for it"),
    (("timeline.logs",), "there, as Enter: the logs of then"),
    (("past.span_back", "past.span_on"), "in these three: less of the past, or more"),
    (("jobs",), "the jobs of nodes.yaml, how each is, and which of them is shown here"),
    (
        ("layout_1", "layout_2", "layout_3"),
        "all that has room, nodes and logs, nodes and details; kept for the next time",
    ),
    (("topology",), "the topology, as large as the screen, and back"),
    (("zoom",), "the panel with the cursor, as large as the screen, and back"),
    (("nodes.sort",), "in the nodes: sort"),
    (("write_screen",), "writes the screen into a file as plain text, for a screen reader"),
    ((), "Tab goes to the next panel"),
    ((), "Ctrl-p: palette: everything by name, and the themes"),
    (("leave",), "leave; Ctrl-z goes to the shell, where fg returns"),
)
"""The names of the actions whose keys these are, and what they do."""
_MARKS = (
    ("●", "well"),
    ("◐", "on its way"),
    ("○", "not running"),
    ("▲", "something is wrong with it"),
    ("✖", "failed, or cannot be reached"),
    ("?", "not known"),
    ("□", "cannot be logged into"),
)
_AROUND = 6
"""Columns of the border, what is within it, and the scrollbar."""
_COLUMNS = (
    "Each node has two marks. ssh: it can be asked. data: the job's network works there. With the "
    "Wi-Fi off and the cables well the first is ✖ and the second ●: the job runs on."
)


class HelpScreen(Page):
    """The keys and marks.

    :param here: the keys that work where the cursor was, the nearest first.
    """

    app: Host

    def __init__(self, here: Iterable[ActiveBinding]) -> None:
        super().__init__()
        self._here = tuple(here)

    def _keys_of_the_dashboard(self) -> Iterator[list[Content]]:
        for actions, does in _KEYS:
            keys = " ".join(map(self.app.key_of, actions))
            yield [Content.styled(keys, "bold"), Content(does)]

    def _wrapped(self, rows: list[list[Content]]) -> Iterator[Content]:
        """``rows`` of two columns, the second broken at words below itself."""
        keys = max(row[0].cell_length for row in rows)
        wide = max(20, self.app.size.width - _AROUND - 2 - keys)  # and what is between
        for row in rows:
            first, *more = textwrap.wrap(row[1].plain, wide)
            yield Content.assemble(row[0].pad_right(keys - row[0].cell_length), "  ", first)
            yield from (Content(" " * (keys + 2) + line) for line in more)

    def _keys_here(self) -> Iterator[list[Content]]:
        """Every key that works there: those of one action together."""
        keys: dict[tuple[str, str], list[str]] = {}
        for bound in self._here:
            if bound.enabled:
                said = bound.binding.description or _words(bound.binding.action)
                found = keys.setdefault((bound.binding.action, said), [])
                found.append(self.app.get_key_display(bound.binding))
        for (_, said), named in keys.items():
            yield [Content.styled(" ".join(dict.fromkeys(named)), "bold"), Content(said)]

    def body(self) -> Widget:
        parts = [
            Content("Everything here is live. Leaving stops nothing: what was started runs on."),
            Content(""),
            *self._wrapped(list(self._keys_of_the_dashboard())),
            Content(""),
            heading("Every key that works where the cursor was"),
            *_beside([*table(list(self._keys_here()))], self.app.size.width - _AROUND),
            Content(""),
            heading("Marks"),
            *self._wrapped([[Content(mark), Content(means)] for mark, means in _MARKS]),
            Content(""),
            Content(_COLUMNS),
        ]
        box = VerticalScroll(Static(joined(parts), markup=False))
        box.border_title = "Help"
        return box


def _words(action: str) -> str:
    """The words of an action without a description: ``cursor_down``, ``app.open_action``."""
    name, _, what = action.rpartition(".")[2].partition("(")
    return " ".join([*name.split("_"), what.strip("()'\"")]).strip()


def _beside(lines: Sequence[Content], width: int) -> Iterator[Content]:
    """``lines`` in as many columns as there is room for, read from above to below."""
    wide = max((line.cell_length for line in lines), default=1) + 3
    columns = max(1, width // wide)
    rows = -(-len(lines) // columns)
    for row in range(rows):
        found = lines[row::rows]
        yield Content("").join(line.pad_right(wide - line.cell_length) for line in found)
