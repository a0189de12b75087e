"""The theme for terminals with 16 colours: the terminal's own, so that what is well and what is
wrong differ there, and nothing ordinary is red."""

from __future__ import annotations

from rich.console import Console
from textual.theme import BUILTIN_THEMES, Theme

_BASE = BUILTIN_THEMES["ansi-dark"]
SIXTEEN = Theme(
    name="sixteen",
    ansi=True,
    dark=True,
    primary="ansi_blue",
    secondary="ansi_cyan",
    success="ansi_green",
    warning="ansi_yellow",
    error="ansi_red",
    accent="ansi_cyan",
    foreground="ansi_default",
    background="ansi_default",
    surface="ansi_default",
    panel="ansi_default",
    boost="ansi_default",
    variables={
        **_BASE.variables,
        "panel-lighten-2": "ansi_bright_black",  # borders of panels without the cursor
        "footer-key-foreground": "ansi_cyan",
    },
)


def has_sixteen(console: Console) -> bool:
    """Whether the terminal has 16 colours, or fewer, as far as it tells."""
    return console.color_system == "standard"
