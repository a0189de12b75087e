"""The keys of the dashboard, with the names of their actions in tui.toml."""

from __future__ import annotations

from textual.binding import Binding, BindingType

from fleetctl.tui.keymap import with_ids

DASHBOARD_KEYS: list[BindingType] = with_ids(
    [
        Binding("s", "app.start", "start"),
        Binding("x", "app.stop", "stop"),
        Binding("r", "app.restart", "restart"),
        Binding("a", "app.look_at", "look"),
        Binding("A", "app.attach", "type"),
        Binding("f", "app.fix", "fix"),
        Binding("F", "app.fix_all", "fix all"),
        Binding("u", "app.undo", "undo"),
        Binding("U", "app.undo_all", "undo all", show=False),
        Binding("c", "app.check", "check"),
        Binding("b", "app.links", "links", show=False),
        Binding("T", "app.training", "training", show=False),
        Binding("p", "app.web_page", "page", show=False),
        Binding("l", "logs", "log"),
        Binding("L", "all_logs", "all logs", show=False),
        Binding("slash", "find", "filter", show=False),
        Binding("n", "find_node", "find node", show=False),
        Binding("space", "mark", "mark", show=False),
        Binding("escape", "unmark", "no marks", show=False),
        Binding("t", "topology", "topology", show=False),
        Binding("z", "zoom", "zoom", show=False),
        Binding("1", "layout('1')", "everything", show=False),
        Binding("2", "layout('2')", "nodes and logs", show=False),
        Binding("3", "layout('3')", "nodes and details", show=False),
        Binding("e", "app.events", "timeline", show=False),
        Binding("J", "app.jobs", "jobs", show=False),
        Binding("o", "app.open_action", show=False),
        Binding("ctrl+r", "app.hurry", "ask again", show=False),
        Binding("question_mark", "app.help", "help", key_display="?"),
        Binding("d", "app.tour", "tour"),
        Binding("h", "app.mend", "mend"),
        Binding("q", "app.leave", "leave"),
    ]
)
