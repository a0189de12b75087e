"""Themes of ours: one whose every colour a terminal with 256 colours has, and a light one. And what
is mended in all others: borders that can be seen."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from textual.theme import Theme

COLOURS_256 = Theme(
    name="colours-256",
    dark=True,
    primary="#5fafff",
    secondary="#5f87af",
    accent="#ffaf5f",
    success="#87d787",
    warning="#ffaf5f",
    error="#ff5f5f",
    foreground="#e4e4e4",
    background="#121212",
    surface="#1c1c1c",
    panel="#262626",
    boost="#303030",
    variables={  # those that Textual would mix from others, between the colours that there are
        "panel-lighten-2": "#6c6c6c",
        "surface-lighten-1": "#303030",
        "foreground-muted": "#9e9e9e",
        "text-muted": "#9e9e9e",
        "text-primary": "#87afff",
        "text-secondary": "#87afaf",
        "text-accent": "#ffaf5f",
        "text-success": "#87d787",
        "text-warning": "#ffaf5f",
        "text-error": "#ff5f5f",
        "footer-background": "#262626",
        "footer-key-foreground": "#ffaf5f",
        "footer-description-foreground": "#e4e4e4",
    },
)
LIGHT = Theme(
    name="light",
    dark=False,
    primary="#005faf",
    secondary="#005f87",
    accent="#875f00",
    success="#005f00",
    warning="#875f00",
    error="#af0000",
    foreground="#1c1c1c",
    background="#ffffff",
    surface="#ffffff",
    panel="#e4e4e4",
    boost="#eeeeee",
    variables={
        "panel-lighten-2": "#8a8a8a",
        "surface-lighten-1": "#d0d0d0",
        "foreground-muted": "#585858",
        "text-muted": "#585858",
        "text-primary": "#005faf",
        "text-secondary": "#005f87",
        "text-accent": "#875f00",
        "text-success": "#005f00",
        "text-warning": "#875f00",
        "text-error": "#af0000",
        "footer-background": "#e4e4e4",
        "footer-key-foreground": "#875f00",
        "footer-description-foreground": "#1c1c1c",
    },
)
"""Dark on white, in colours that a terminal with 256 has, too."""
OURS = (COLOURS_256, LIGHT)

_BORDER = "panel-lighten-2"


def has_256(console: Console) -> bool:
    """Whether the terminal has 256 colours and no more, as far as it tells."""
    return console.color_system == "256"


def visible(theme: Theme, variables: Mapping[str, str]) -> dict[str, str]:
    """``variables`` of ``theme``, with borders of panels that can be told from the ground: a
    lighter shade cannot on white, and themes of a terminal's own colours have none."""
    if theme.name in [one.name for one in OURS] or _BORDER in theme.variables:
        return dict(variables)
    if theme.ansi:
        return {**variables, _BORDER: "ansi_bright_black"}
    if not theme.dark:
        return {**variables, _BORDER: "#8a8a8a"}
    return dict(variables)
