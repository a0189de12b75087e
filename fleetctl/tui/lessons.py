"""Keys that the tour teaches, a few at a time. Pure."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct


class Lesson(Struct, frozen=True):
    """Some keys that belong together."""

    title: str
    says: str


def lessons(key: Callable[[str], str]) -> tuple[Lesson, ...]:
    """All, in the order in which they are worth knowing.

    :param key: the key of an action, by its name in tui.toml.
    """
    return (
        Lesson(
            "one cursor",
            f"↓ in the nodes moves the other panels, too; {key('logs')} its log, "
            f"{key('all_logs')} all; {key('mark')} marks, and {key('stop')} asks about the marked; "
            f"{key('unmark')} takes marks away.",
        ),
        Lesson(
            "problems",
            f"each line ends with the keys that help; {key('fix')} shows commands, space chooses, "
            f"y runs them, {key('undo')} takes them back.",
        ),
        Lesson(
            "logs",
            f"{key('find')} filters (@pi* picks instances, ! leaves out), ctrl+f searches, < and > "
            "go a minute back and on, y copies.",
        ),
        Lesson(
            "room",
            f"{key('layout_1')} {key('layout_2')} {key('layout_3')} divide the screen, "
            f"{key('zoom')} enlarges the panel with the cursor, {key('topology')} the topology.",
        ),
        Lesson(
            "more",
            f"{key('jobs')} other jobs, {key('events')} what happened, ctrl+p everything by name, "
            f"{key('help')} every key.",
        ),
    )
