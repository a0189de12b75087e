"""What a dashboard may not: one that only shows, or one in a browser. Pure.

Keys, the palette, the mouse and dialogs ask :meth:`fleetctl.tui.host.Host.may`, which asks
:class:`Limits`, and says why not. Whatever does not ask is refused by the service itself:
:func:`fleetctl.tui.read_only.read_only`.
"""

from __future__ import annotations

from msgspec import Struct

from fleetctl.tui.read_only import SENTENCE

CHANGES = frozenset(
    {
        *("start", "stop", "restart", "end", "apply", "password", "measure", "attach"),
        *("web_page", "save", "write_screen", "tour", "mend"),
    }
)
"""Actions that change something: a node, a process, or a file here."""
_LENT = "a terminal can be lent to tmux, and a browser's cannot: fleetctl attach, in a terminal"
_ASKED = "a password is typed into a terminal: fleetctl fix, in a terminal"
_THERE = "it would open on the machine that serves this page: fleetctl open, in a terminal"
_SAVED = "it would be saved on the machine that serves this page: fleetctl {}, in a terminal"
NOT_IN_A_BROWSER = {
    "attach": _LENT,
    "look_at": _LENT,
    "password": _ASKED,
    "web_page": _THERE,
    "save": _SAVED.format("logs"),
    "write_screen": _SAVED.format("status"),
}
"""Actions that a browser cannot have, and why."""


class Limits(Struct, frozen=True):
    """What a dashboard may not."""

    read_only: bool = False
    in_browser: bool = False

    def refusal(self, action: str) -> str:
        """Why ``action`` is not done here; empty: it is.

        :param action: its name in the code, such as ``stop``, of the app or of a screen.
        """
        if self.in_browser and (why := NOT_IN_A_BROWSER.get(action)):
            return f"Not in a browser: {why}."
        if self.read_only and action in CHANGES:
            return f"{SENTENCE}."
        return ""
