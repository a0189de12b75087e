"""Filtering and searching the text of logs, without colours. Pure."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence

from msgspec import Struct

from fleetctl.errors import UsageError
from fleetctl.logs.buffer import Chunk
from fleetctl.logs.lines import shown, tidy_lines
from fleetctl.logs.tidying import plain
from fleetctl.patterns import pattern

_LOOKS_AROUND = pattern(r"[$^]|\(\?|\\[AZz]")
PATIENCE_S = 0.1
"""The most processor time for one search. What takes longer often never ends: ``(a|aa)+$``."""


class Pattern:
    """A Python regular expression with a time limit: once a search took too long, it finds nothing
    any more.

    :raises UsageError: the text is not a regular expression.
    """

    def __init__(self, text: str) -> None:
        import regex  # slow to import, and seldom needed

        self.text = text
        self.gave_up = False
        try:
            with warnings.catch_warnings():  # they would go to stderr, where a screen may be drawn
                warnings.simplefilter("ignore", FutureWarning)
                re.compile(text)  # regex takes more than is documented here
                self._compiled = regex.compile(text)
        except (re.error, regex.error, OverflowError, RecursionError) as error:
            raise UsageError(f"not a regular expression: {error}") from None

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Start and end of each match, in characters."""
        if self.gave_up:
            return
        try:
            for found in self._compiled.finditer(text, timeout=PATIENCE_S):
                yield found.span()
        except TimeoutError:
            self.gave_up = True

    def search(self, text: str, begin: int = 0) -> tuple[int, int] | None:
        """Start and end of the first match."""
        if self.gave_up:
            return None
        try:
            found = self._compiled.search(text, begin, timeout=PATIENCE_S)
        except TimeoutError:
            self.gave_up = True
            return None
        return found.span() if found else None

    def group(self, text: str) -> str | None:
        """What the first group of the first match took; without a group the whole match."""
        if self.gave_up:
            return None
        try:
            found = self._compiled.search(text, timeout=PATIENCE_S)
        except TimeoutError:
            self.gave_up = True
            return None
        return found[1 if self._compiled.groups else 0] if found else None


class Filter(Struct, frozen=True):
    """Which lines are shown."""

    pattern: Pattern
    inverse: bool = False
    """Keep the lines that do not match."""
    labels: frozenset[str] = frozenset()
    """The instances of which each line matches, for the pattern is found in their names."""

    def keeps(self, text: str, instance: str = "") -> bool:
        matches = instance in self.labels or self.pattern.search(text) is not None
        return matches is not self.inverse

    def kept(self, chunk: Chunk) -> Sequence[int]:
        """The numbers of the lines of a chunk that it keeps."""
        if chunk.instance in self.labels:
            return () if self.inverse else range(chunk.lines)
        found = found_in(self.pattern, texts(chunk))
        if not self.inverse:
            return found
        hidden = set(found)
        return [number for number in range(chunk.lines) if number not in hidden]


def found_in(pattern: Pattern, text: str) -> Sequence[int]:
    """The numbers of the lines of ``text`` in which ``pattern`` is found.

    Without anchors or lookarounds, the whole text is searched at once, and only lines with a match
    are searched again by themselves: many times faster where few lines match.
    """
    if _LOOKS_AROUND.search(pattern.text):
        return [i for i, line in enumerate(text.split("\n")) if pattern.search(line)]
    numbers: list[int] = []
    begin = number = 0
    while found := pattern.search(text, begin):
        start, _ = found
        number += text.count("\n", begin, start)
        begin = text.rfind("\n", 0, start) + 1
        end = text.find("\n", start)
        # the match may have gone beyond the end of the line
        if pattern.search(text[begin:] if end < 0 else text[begin:end]):
            numbers.append(number)
        if end < 0:
            break
        begin, number = end + 1, number + 1
    return numbers


def whole_texts(chunk: Chunk) -> str:
    """The lines of a chunk without colours, however long they are."""
    return plain(tidy_lines(chunk.data.removesuffix(b"\n")).decode("utf-8", "replace"))


def texts(chunk: Chunk) -> str:
    """The lines of a chunk as a screen shows them, without colours."""
    if chunk.lines == 1:
        return plain(shown(chunk.data.removesuffix(b"\n")))
    return whole_texts(chunk)
