"""A part of the model: some of its blocks, with the table of tokens before, or the head after them.

One position is computed at a time. What blocks hand on is rounded to 32-bit floats, so that a part
that gets them over the network computes just what it would compute in one process with the others.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import plain
from weights import BLOCKS, CONTEXT, WIDTH, WINDOW, layout, read

FILE = Path(__file__).with_name("weights.bin")

Vector = Any
"""A list of ``WIDTH`` floats, or an array of numpy; see plain.py and arrays.py."""


def arithmetic(only_plain: bool = False) -> ModuleType:
    """arrays.py where numpy is installed, else plain.py."""
    if only_plain:
        return plain
    try:
        import arrays
    except ImportError:
        return plain
    return arrays


class Memory:
    """What a part keeps of one sequence."""

    def __init__(self, maths: ModuleType, blocks: int) -> None:
        self.position = 0
        """How many positions it has seen."""
        self.windows = [maths.Window(WINDOW) for _ in range(blocks)]


class Part:
    """The blocks ``first`` to ``last``, counted from 0.

    :raises OSError: the file cannot be read.
    :raises ValueError: there are no such blocks, or the file is not of this model.
    """

    def __init__(
        self, first: int, last: int, file: Path = FILE, maths: ModuleType | None = None
    ) -> None:
        if not 0 <= first <= last < BLOCKS:
            raise ValueError(f"there are no blocks {first}-{last} of {BLOCKS}")
        self.first, self.last = first, last
        self.begins, self.ends = first == 0, last == BLOCKS - 1
        self.maths = maths or arithmetic()
        self._weights = self._read(file)

    def _read(self, file: Path) -> dict[str, Any]:
        names = [name for name in layout() if any(map(name.startswith, self._prefixes()))]
        shapes = layout()
        return {
            name: self.maths.vector(numbers)
            if len(shapes[name]) == 1
            else self.maths.matrix(numbers, shapes[name][1])
            for name, numbers in read(file, names).items()
        }

    def _prefixes(self) -> Iterator[str]:
        if self.begins:
            yield "positions"
        if self.begins or self.ends:
            yield "tokens"
        if self.ends:
            yield "norm."
        for number in range(self.first, self.last + 1):
            yield f"block{number}."

    def memory(self) -> Memory:
        """For a new sequence."""
        return Memory(self.maths, self.last - self.first + 1)

    def embed(self, token: int, position: int) -> Vector:
        """What the first block gets for ``token`` at ``position``."""
        table, positions = self._weights["tokens"], self._weights["positions"]
        return self.maths.rounded(self.maths.plus(table[token], positions[position]))

    def forward(self, memory: Memory, x: Vector) -> Vector:
        """Take the next position of a sequence through the blocks.

        :raises ValueError: the sequence is at its end.
        """
        if memory.position >= CONTEXT:
            raise ValueError(f"a sequence has {CONTEXT} positions at most")
        memory.position += 1
        for number, window in enumerate(memory.windows, self.first):
            x = self.maths.rounded(self._block(f"block{number}", window, x))
        return x

    def _block(self, name: str, window: Any, x: Vector) -> Vector:
        maths = self.maths
        joined = self._linear(f"{name}.attend", self._norm(f"{name}.norm1", x))
        x = maths.plus(x, self._linear(f"{name}.attend_out", window.attend(joined)))
        inner = self._linear(f"{name}.feed", self._norm(f"{name}.norm2", x))
        return maths.plus(x, self._linear(f"{name}.feed_out", maths.gelu(inner)))

    def _linear(self, name: str, x: Vector) -> Vector:
        return self.maths.linear(self._weights[name], self._weights[f"{name}.bias"], x)

    def _norm(self, name: str, x: Vector) -> Vector:
        return self.maths.norm(self._weights[f"{name}.gain"], self._weights[f"{name}.bias"], x)

    def logits(self, x: Vector) -> list[float]:
        """How likely each token is to follow, in nats and up to a constant."""
        return [
            float(v) for v in self.maths.product(self._weights["tokens"], self._norm("norm", x))
        ]

    def vectors(self, numbers: Sequence[float]) -> Iterator[Vector]:
        """The vectors of numbers that came over the network."""
        for start in range(0, len(numbers), WIDTH):
            yield self.maths.vector(numbers[start : start + WIDTH])


def sample(logits: Iterable[float], temperature: float, seed: int, position: int) -> int:
    """The next token: at temperature 0 the likeliest, else by chance.

    Chance depends on ``seed`` and ``position`` alone, so that a position that is computed again
    gives the same token again.
    """
    known = list(logits)
    if temperature == 0:
        return known.index(max(known))
    highest = max(known)
    parts = [math.exp((value - highest) / temperature) for value in known]
    chance = random.Random(f"{seed}:{position}")
    return chance.choices(range(len(parts)), parts)[0]
