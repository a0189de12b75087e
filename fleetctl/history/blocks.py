"""The values of all series in one stretch of time, as bytes.

The first byte is the form; the rest is compressed by zlib: arrays of as many little-endian numbers
as there are series, in the order of their numbers in the file. Form 1, at most one sample of each
series: its value as a 32-bit float, NaN where there is none. Form 2: counts of 16 bits, then means,
lows and highs. So values are kept to seven digits: print them with no more.
"""

from __future__ import annotations

import math
import sys
import zlib
from array import array
from collections.abc import Collection, Iterator

_ONE_EACH, _SEVERAL = b"\1", b"\2"
_MOST_COUNTED = 65_535
_NONE = math.nan


class Block:
    """What is known of each series; it grows with the largest number of one.

    :param data: as :meth:`encoded` made it; damaged bytes make an empty block.
    """

    def __init__(self, data: bytes = b"") -> None:
        self._counts, self._means = array("H"), array("f")
        self._lows, self._highs = array("f"), array("f")
        try:
            raw = zlib.decompress(data[1:]) if data else b""
        except zlib.error:
            return
        if data[:1] == _ONE_EACH and len(raw) % 4 == 0:
            self._means = self._lows = self._highs = _floats(raw)
            self._counts = array("H", [value == value for value in self._means])
        elif data[:1] == _SEVERAL and len(raw) % 14 == 0:
            size = len(raw) // 14
            self._counts = _swapped(array("H", raw[: 2 * size]))
            self._means, self._lows, self._highs = (
                _floats(raw[start : start + 4 * size]) for start in (2 * size, 6 * size, 10 * size)
            )

    def add(self, number: int, value: float) -> None:
        """Count a sample of the series with that number, from 0."""
        if self._means is self._highs:  # as read from the short form
            self._lows, self._highs = self._means[:], self._means[:]
        if (missing := number + 1 - len(self._counts)) > 0:
            self._counts.extend([0] * missing)
            for values in (self._means, self._lows, self._highs):
                values.extend([_NONE] * missing)
        count = self._counts[number]
        if count == 0:
            self._means[number] = self._lows[number] = self._highs[number] = value
        else:
            self._means[number] += (value - self._means[number]) / (count + 1)
            self._lows[number] = min(self._lows[number], value)
            self._highs[number] = max(self._highs[number], value)
        self._counts[number] = min(count + 1, _MOST_COUNTED)

    def encoded(self) -> bytes:
        """The block as bytes."""
        if max(self._counts, default=0) <= 1:
            return _ONE_EACH + zlib.compress(_bytes(self._means), 1)
        raw = _bytes(self._counts)
        raw += b"".join(_bytes(values) for values in (self._means, self._lows, self._highs))
        return _SEVERAL + zlib.compress(raw, 1)

    def of(self, numbers: Collection[int]) -> Iterator[tuple[int, int, float, float, float]]:
        """The number, count, low, mean and high of each series of ``numbers`` that has a sample."""
        counts, lows, means, highs = self._counts, self._lows, self._means, self._highs
        size = len(counts)
        for number in numbers:
            if number < size and (count := counts[number]):
                yield number, count, lows[number], means[number], highs[number]


def _floats(raw: bytes) -> array[float]:
    return _swapped(array("f", raw))


def _swapped(values: array) -> array:  # type: ignore[type-arg]  # of whole numbers or floats
    if sys.byteorder == "big":
        values.byteswap()
    return values


def _bytes(values: array) -> bytes:  # type: ignore[type-arg]  # of whole numbers or floats
    return _swapped(values[:]).tobytes()
