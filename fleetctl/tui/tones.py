"""The colours of tones, as variables of Textual's themes, and marks drawn with them."""

from __future__ import annotations

from collections.abc import Mapping

from textual.content import Content

from fleetctl.marks import Mark, Tone, mark

STYLES: Mapping[Tone, str] = {
    "good": "$text-success",
    "bad": "$text-error bold",
    "doubt": "$text-warning",
    "busy": "$text-accent",
    "quiet": "$foreground-muted",
}


def toned(text: str, tone: Tone) -> Content:
    """``text`` in the colour of ``tone``."""
    return Content.styled(text, STYLES[tone])


def drawn(what: Mark) -> Content:
    """A mark in its colour."""
    return toned(what.symbol, what.tone)


def state(word: str) -> Content:
    """A state with its mark."""
    what = mark(word)
    return toned(f"{what.symbol} {word}", what.tone)
