"""The text of logs as people search it: without colours. Pure."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence

from msgspec import Struct

from fleetctl.errors import UsageError
from fleetctl.logs.buffer import Chunk
from fleetctl.logs.lines import shown, tidy_lines

_LOOKS_AROUND = re.compile(r"[$^]|\(\?|\\[AZz]")
_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")


class Filter(Struct, frozen=True):
    """Which lines are shown."""

    pattern: re.Pattern[str]
    inverse: bool = False
    """Those that do not match."""

    def keeps(self, text: str) -> bool:
        return (self.pattern.search(text) is None) is self.inverse

    def kept(self, chunk: Chunk) -> Sequence[int]:
        """The numbers of the lines of a chunk that are shown."""
        found = found_in(self.pattern, texts(chunk))
        if not self.inverse:
            return found
        hidden = set(found)
        return [number for number in range(chunk.lines) if number not in hidden]


def found_in(pattern: re.Pattern[str], text: str) -> Sequence[int]:
    """The numbers of the lines of ``text`` in which ``pattern`` is found.

    What does not look at what stands around it is found in a line only if it is found there in the
    whole text: looking through that at once is many times faster where few lines match.
    """
    if _LOOKS_AROUND.search(pattern.pattern):
        return [i for i, line in enumerate(text.split("\n")) if pattern.search(line)]
    numbers: list[int] = []
    begin = number = 0
    while found := pattern.search(text, begin):
        number += text.count("\n", begin, found.start())
        begin = text.rfind("\n", 0, found.start()) + 1
        end = text.find("\n", found.start())
        # it may have gone on beyond the end of its line
        if pattern.search(text[begin:] if end < 0 else text[begin:end]):
            numbers.append(number)
        if end < 0:
            break
        begin, number = end + 1, number + 1
    return numbers


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


def whole_texts(chunk: Chunk) -> str:
    """The lines of a chunk without colours, however long they are."""
    return plain(tidy_lines(chunk.data.removesuffix(b"\n")).decode("utf-8", "replace"))


def plain(text: str) -> str:
    """Without colours."""
    return _COLOUR.sub("", text) if "\x1b" in text else text


def texts(chunk: Chunk) -> str:
    """The lines of a chunk as a screen shows them, without colours."""
    if chunk.lines == 1:
        return plain(shown(chunk.data.removesuffix(b"\n")))
    return whole_texts(chunk)
