"""The keys of the logs, with the names of their actions in tui.toml."""

from __future__ import annotations

from textual.binding import Binding, BindingType

from fleetctl.tui.keymap import with_ids

LOG_KEYS: list[BindingType] = with_ids(
    [
        Binding("space", "pause", "pause/follow"),
        Binding("slash", "filter", "filter"),
        Binding("ctrl+f", "search", "search"),
        Binding("n", "find(True)", "next match", show=False),
        Binding("N", "find(False)", "previous match", show=False),
        Binding("plus", "context(1)", "more context", show=False),
        Binding("minus", "context(-1)", "less context", show=False),
        Binding("left_square_bracket", "cycle(-1)", "previous instance", show=False),
        Binding("right_square_bracket", "cycle(1)", "next instance"),
        Binding("less_than_sign", "by_time(-1)", "a minute back", show=False),
        Binding("greater_than_sign", "by_time(1)", "a minute on", show=False),
        Binding("w", "wrap", "wrap"),
        Binding("t", "times", "times", show=False),
        Binding("y", "copy", "copy"),
        Binding("ctrl+s", "save", "save"),
        Binding("escape", "clear", "clear search and filter", show=False),
    ],
    "logs.",
)
