"""The mark of each state: a symbol and a tone, never only a colour. Pure."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Tone = Literal["good", "bad", "doubt", "busy", "quiet"]
"""What the colour means; each front end chooses its own colours."""


class Mark(Struct, frozen=True):
    """How a state is shown."""

    symbol: str
    tone: Tone


MARKS = {
    "ok": Mark("●", "good"),
    "ready": Mark("●", "good"),
    "degraded": Mark("▲", "doubt"),
    "unhealthy": Mark("▲", "bad"),
    "running": Mark("◐", "busy"),
    "starting": Mark("◐", "busy"),
    "restarting": Mark("↻", "doubt"),
    "waiting": Mark("○", "doubt"),
    "stopped": Mark("○", "quiet"),
    "exited": Mark("○", "quiet"),
    "done": Mark("●", "quiet"),
    "external": Mark("□", "quiet"),
    "unreachable": Mark("✖", "bad"),
    "failed": Mark("✖", "bad"),
    "unknown": Mark("?", "doubt"),
    "error": Mark("✖", "bad"),
    "warning": Mark("▲", "doubt"),
}
"""States of nodes and instances, and severities of problems."""

_UNKNOWN = MARKS["unknown"]


def mark(state: str) -> Mark:
    """The mark of ``state``; for any other word that of "unknown"."""
    return MARKS.get(state, _UNKNOWN)


def verdict(ok: bool | None) -> Mark:
    """The mark of a condition: it holds, it does not, or that is not known."""
    return _UNKNOWN if ok is None else MARKS["ok" if ok else "error"]
