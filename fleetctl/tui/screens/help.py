"""The help screen: the keys, and what the marks mean."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from textual.binding import ActiveBinding
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from fleetctl.tui.host import Host
from fleetctl.tui.screens.page import Page
from fleetctl.tui.sheets import heading, joined, table

_KEYS = (
    ("s x r", "start, stop, restart: the job, or what the cursor is on; asks"),
    ("x", "while a start goes on, also Ctrl-C: stop waiting, or stop what was begun"),
    ("o", "the start or stop that goes on"),
    ("a A", "attach to its tmux window, to look or to type; its last line says how to come back"),
    ("Enter", "opens the node or the problem under the cursor, as two clicks do"),
    ("c", "check: every node is asked everything; which node reaches which"),
    ("T", "training: each rank's step, rate and lag, what differs at the last, the loss"),
    ("b", "links: each over time, Enter its samples; b again measures what they carry"),
    (
        "f F",
        "the commands that repair what the cursor is on, or all; space chooses, y runs them, and P "
        "asks for sudo's password",
    ),
    ("u U", "shows the commands that undo repairs of that node, or of all; y runs them"),
    ("p", "opens the web page of what the cursor is on, or of the job, in the browser here"),
    ("l L", "the log of what the cursor is on, or of what is marked; all logs"),
    ("Space", "marks what the cursor is on: keys act on all that is marked; Esc takes marks away"),
    ("/", "filters the panel with the cursor; n the nodes, by name, role or state"),
    (
        "[ ]",
        "in a node the one before and the next, in the topology its links, in the logs one or all",
    ),
    ("< >", "in the logs a minute back or on; Ctrl-f searches there, @pi* picks, space pauses"),
    ("e", "timeline: what changed, why, who asked for it; Enter or l: the logs of then"),
    ("+ -", "in these three: less of the past, or more"),
    ("J", "the jobs of nodes.yaml, how each is, and which of them is shown here"),
    ("1 2 3", "all that has room, nodes and logs, nodes and details; kept for the next time"),
    ("t", "the topology, as large as the screen, and back"),
    ("z", "the panel with the cursor, as large as the screen, and back"),
    ("S", "in the nodes: sort"),
    ("D", "writes the screen into a file as plain text, for a screen reader"),
    ("Tab", "to the next panel"),
    ("Ctrl-p", "palette: everything by name, and the themes"),
    ("q", "leave; Ctrl-z goes to the shell, where fg returns"),
)
_MARKS = (
    ("●", "well"),
    ("◐", "on its way"),
    ("○", "not running"),
    ("▲", "something is wrong with it"),
    ("✖", "failed, or cannot be reached"),
    ("?", "not known"),
    ("□", "cannot be logged into"),
)
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
            *table([[Content.styled(key, "bold"), Content(does)] for key, does in _KEYS]),
            Content(""),
            heading("Every key that works where the cursor was"),
            *_beside([*table(list(self._keys_here()))], self.app.size.width - 6),
            Content(""),
            heading("Marks"),
            *table([[Content(mark), Content(means)] for mark, means in _MARKS]),
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
