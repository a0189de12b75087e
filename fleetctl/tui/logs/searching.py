"""Searching the logs, a slice of time after the other. Pure but for the clock."""

from __future__ import annotations

import time
from collections.abc import Iterator

from fleetctl.logs.matching import Pattern
from fleetctl.logs.view import LinePosition, LogView


class Search:
    """What is searched for, and how far that is.

    :param text: as it was typed; empty: nothing is searched for.
    :raises UsageError: it is no regular expression.
    """

    def __init__(self, text: str = "") -> None:
        self.text = text
        self.pattern = Pattern(text) if text else None
        self._places: Iterator[LinePosition | None] | None = None
        """None: nothing is being searched now."""
        self._forward = False
        self._said = ""

    @property
    def goes_on(self) -> bool:
        """Whether there is more to be looked at."""
        return self._places is not None

    @property
    def title(self) -> str:
        """For the panel's title; empty: nothing is searched for."""
        if self.pattern is None:
            return ""
        said = "takes too long, change it" if self.pattern.gave_up else self._said
        return f"search /{self.text}/ {said}".rstrip()

    def begin(self, view: LogView, start: LinePosition | None, *, forward: bool) -> None:
        """Search from ``start`` on, or upward."""
        if self.pattern:
            self._said, self._forward = "", forward
            self._places = view.find(self.pattern, start, forward=forward)

    def give_up(self) -> None:
        """Search no further."""
        self._places = None

    def work(self, seconds: float) -> LinePosition | None:
        """Search for so long; returns the match, once there is one."""
        until = time.perf_counter() + seconds
        for found in self._places or ():
            if found:
                self._places = None
                return found
            if time.perf_counter() >= until:
                return None
        self._places = None
        self._said = "not found below" if self._forward else "not found above"
        return None
