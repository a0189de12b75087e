"""The keys, and what the marks mean."""

from __future__ import annotations

from textual.containers import VerticalScroll
from textual.widget import Widget
from textual.widgets import Markdown

from fleetctl.tui.screens.page import Page

_TEXT = """\
Everything here is live. Leaving stops nothing: what was started runs on, on its nodes.

| key | does |
|---|---|
| `s` `x` `r` | start, stop, restart: the job, or what the cursor is on; asks |
| `a` | attach: this terminal shows the real tmux window; `Ctrl-b d` comes back |
| `Enter` | opens the node or the problem under the cursor |
| `c` | check: every node is asked everything; who reaches whom |
| `f` | fix: shows the commands that repair what is wrong, and runs them when you say so |
| `l` | to the logs; there `/` filters, `Ctrl-f` searches, `space` pauses, `[` `]` one or all |
| `t` | topology, as large as the screen |
| `z` | the panel with the cursor, as large as the screen, and back |
| `e` | events: what changed since the dashboard was opened |
| `o` | the start or stop that goes on |
| `n` `S` | in the nodes: find by name, role or state; sort |
| `Tab` | to the next panel |
| `Ctrl-p` | palette: everything by name |
| `q` | leave |

**Marks** `●` well · `◐` on its way · `○` not running · `▲` something is wrong with it
· `✖` failed or cannot be reached · `?` not known · `□` cannot be logged into.

**Two lamps a node**: *ssh*, whether it can be asked, and *data*, whether the job's network works
there. With the Wi-Fi off and the cables well the first is `✖` and the second `●`: the job runs on.
"""


class HelpScreen(Page):
    """What can be typed."""

    def body(self) -> Widget:
        box = VerticalScroll(Markdown(_TEXT))
        box.border_title = "Help"
        return box
