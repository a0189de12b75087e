"""What tmux's own errors mean, for those that say little (its client.c and tty-term.c)."""

from __future__ import annotations

from msgspec import Struct

from fleetctl.patterns import pattern


class Refusal(Struct, frozen=True):
    """An error of tmux."""

    reason: str
    """As a clause, with tmux's own words."""
    hint: str = ""
    """What to do; empty: nothing useful is known."""


_KNOWN = (
    (
        pattern(r"protocol version mismatch"),
        "the tmux in PATH and the tmux server that runs do not fit: tmux was updated since that "
        "server was started ({said})",
        "Instances run on in it. When they may end, end it on the node: "
        "pkill -f 'tmux .*-Lfleetctl '; then fleetctl start.",
    ),
    (
        pattern(r"server exited unexpectedly|lost server"),
        "the tmux server went away while it was asked: it crashed, or is of another version than "
        "the tmux in PATH ({said})",
        "Ask again. If it says so every time, compare `tmux -V` with the tmux that runs "
        "(ps -axo pid,args | grep tmux), and end that one.",
    ),
    (
        pattern(r"open terminal failed"),
        "tmux on the node cannot use this kind of terminal ({said})",
        "Install its description there (sudo apt install ncurses-term), or set TERM=xterm-256color "
        "here.",
    ),
)


def refusal(said: str) -> Refusal:
    """What ``said``, an error of tmux, means."""
    for known, reason, hint in _KNOWN:
        if known.search(said):
            return Refusal(reason.format(said=said), hint)
    return Refusal(said)
