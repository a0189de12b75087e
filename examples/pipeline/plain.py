"""The model's arithmetic with lists: needs nothing but Python. See arrays.py for numpy."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Sequence
from operator import add, mul

from weights import HEADS, WIDTH

Vector = list[float]
Matrix = list[Vector]

HEAD_WIDTH = WIDTH // HEADS
EPSILON = 1e-5


def vector(numbers: Iterable[float]) -> Vector:
    return list(numbers)


def matrix(numbers: Sequence[float], columns: int) -> Matrix:
    return [list(numbers[n : n + columns]) for n in range(0, len(numbers), columns)]


def linear(weights: Matrix, bias: Vector, x: Vector) -> Vector:
    return [sum(map(mul, row, x), start) for row, start in zip(weights, bias)]


def product(weights: Matrix, x: Vector) -> Vector:
    return [sum(map(mul, row, x)) for row in weights]


def plus(a: Vector, b: Vector) -> Vector:
    return list(map(add, a, b))


def norm(gain: Vector, bias: Vector, x: Vector) -> Vector:
    """Layer norm."""
    mean = sum(x) / len(x)
    centred = [value - mean for value in x]
    scale = 1 / math.sqrt(sum(map(mul, centred, centred)) / len(x) + EPSILON)
    return [value * scale * g + b for value, g, b in zip(centred, gain, bias)]


def gelu(x: Vector) -> Vector:
    """GPT-2's form of it, by tanh."""
    scale = math.sqrt(2 / math.pi)
    tanh = math.tanh
    return [0.5 * v * (1 + tanh(scale * (v + 0.044715 * v * v * v))) for v in x]


class Window:
    """Keys and values of the last positions that one block saw, of one sequence."""

    def __init__(self, positions: int) -> None:
        self._positions = positions
        self._keys: list[list[Vector]] = [[] for _ in range(HEADS)]
        self._values: list[list[Vector]] = [[] for _ in range(HEADS)]

    def attend(self, joined: Vector) -> Vector:
        """Take in the next position, and mix the values of all.

        :param joined: its query, key and value for all heads, one after the other.
        """
        mixed: Vector = []
        for head in range(HEADS):
            query, key, value = (
                joined[start : start + HEAD_WIDTH]
                for start in (n * WIDTH + head * HEAD_WIDTH for n in range(3))
            )
            keys, values = self._keys[head], self._values[head]
            keys.append(key)
            values.append(value)
            del keys[: -self._positions], values[: -self._positions]
            scale = 1 / math.sqrt(HEAD_WIDTH)
            scores = [scale * sum(map(mul, query, k)) for k in keys]
            highest = max(scores)
            parts = [math.exp(score - highest) for score in scores]
            whole = sum(parts)
            mixed += [sum(map(mul, parts, column)) / whole for column in zip(*values)]
        return mixed


def rounded(x: Vector) -> Vector:
    """As 32-bit floats, which travel between ranks without a change."""
    return array("f", x).tolist()
