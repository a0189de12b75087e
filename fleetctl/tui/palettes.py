"""Themes of ours: one whose every colour a terminal with 256 colours has, and a light one. And what
is mended in all others: borders that can be seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from textual.theme import Theme

_OWN = {
    "primary": ("#5fafff", "#005faf"),
    "secondary": ("#5f87af", "#005f87"),
    "accent": ("#ffaf5f", "#875f00"),
    "success": ("#87d787", "#005f00"),
    "warning": ("#ffaf5f", "#875f00"),
    "error": ("#ff5f5f", "#af0000"),
    "foreground": ("#e4e4e4", "#1c1c1c"),
    "background": ("#121212", "#ffffff"),
    "surface": ("#1c1c1c", "#ffffff"),
    "panel": ("#262626", "#e4e4e4"),
    "boost": ("#303030", "#eeeeee"),
}
"""By name: for a dark ground, and for a light one. Each is one of the 256 colours of xterm."""
_MIXED = {
    "panel-lighten-2": ("#6c6c6c", "#8a8a8a"),
    "surface-lighten-1": ("#303030", "#d0d0d0"),
    "foreground-muted": ("#9e9e9e", "#585858"),
    "text-muted": ("#9e9e9e", "#585858"),
    "text-primary": ("#87afff", "#005faf"),
    "text-secondary": ("#87afaf", "#005f87"),
    "text-accent": ("#ffaf5f", "#875f00"),
    "text-success": ("#87d787", "#005f00"),
    "text-warning": ("#ffaf5f", "#875f00"),
    "text-error": ("#ff5f5f", "#af0000"),
    "footer-background": ("#262626", "#e4e4e4"),
    "footer-key-foreground": ("#ffaf5f", "#875f00"),
    "footer-description-foreground": ("#e4e4e4", "#1c1c1c"),
}
"""The same of those that Textual would mix from others, between the colours that there are."""


def _theme(name: str, *, dark: bool) -> Theme:
    column = 0 if dark else 1
    own: dict[str, Any] = {of: colours[column] for of, colours in _OWN.items()}
    mixed = {of: colours[column] for of, colours in _MIXED.items()}
    return Theme(name=name, dark=dark, variables=mixed, **own)


COLOURS_256 = _theme("colours-256", dark=True)
LIGHT = _theme("light", dark=False)
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
