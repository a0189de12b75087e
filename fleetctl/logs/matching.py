"""The text of logs as people search it: without colours. Pure."""

from __future__ import annotations

import re
import warnings

from msgspec import Struct

from fleetctl.errors import UsageError
from fleetctl.logs.buffer import Chunk
from fleetctl.logs.lines import shown, tidy_lines

_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")


class Filter(Struct, frozen=True):
    """Which lines are shown."""

    pattern: re.Pattern[str]
    inverse: bool = False
    """Those that do not match."""

    def keeps(self, text: str) -> bool:
        return (self.pattern.search(text) is None) is self.inverse


def pattern(text: str) -> re.Pattern[str]:
    """A Python regular expression.

    :raises UsageError: it is none.
    """
    try:
        with warnings.catch_warnings():  # on stderr, where a screen may be drawn
            warnings.simplefilter("ignore", FutureWarning)
            return re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise UsageError(f"not a regular expression: {error}") from None


def whole_texts(chunk: Chunk) -> list[str]:
    """The lines of a chunk without colours, however long they are."""
    text = tidy_lines(chunk.data.removesuffix(b"\n")).decode("utf-8", "replace")
    return plain(text).split("\n")


def plain(text: str) -> str:
    """Without colours."""
    return _COLOUR.sub("", text) if "\x1b" in text else text


def texts(chunk: Chunk) -> list[str]:
    """The lines of a chunk as a screen shows them, without colours."""
    if chunk.lines == 1:
        return [plain(shown(chunk.data.removesuffix(b"\n")))]
    return whole_texts(chunk)
