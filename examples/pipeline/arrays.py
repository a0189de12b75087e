"""The model's arithmetic with numpy: the same names as in plain.py, some ten times as fast."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from weights import HEADS, WIDTH

Vector = Any
Matrix = Any

HEAD_WIDTH = WIDTH // HEADS
EPSILON = 1e-5


def vector(numbers: Iterable[float]) -> Vector:
    return np.array(list(numbers), np.float32)


def matrix(numbers: Sequence[float], columns: int) -> Matrix:
    return np.array(numbers, np.float32).reshape(-1, columns)


def linear(weights: Matrix, bias: Vector, x: Vector) -> Vector:
    return weights @ x + bias


def product(weights: Matrix, x: Vector) -> Vector:
    return weights @ x


def plus(a: Vector, b: Vector) -> Vector:
    return a + b


def norm(gain: Vector, bias: Vector, x: Vector) -> Vector:
    centred = x - x.mean()
    return centred / np.sqrt(centred @ centred / len(x) + EPSILON) * gain + bias


def gelu(x: Vector) -> Vector:
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))


class Window:
    def __init__(self, positions: int) -> None:
        self._kept = np.zeros((2, positions, HEADS, HEAD_WIDTH), np.float32)
        self._count = 0

    def attend(self, joined: Vector) -> Vector:
        size = self._kept.shape[1]
        query, *news = joined.reshape(3, HEADS, HEAD_WIDTH)
        self._kept[:, self._count % size] = news  # attention does not ask for an order
        self._count += 1
        keys, values = self._kept[:, : self._count]
        scores = np.einsum("phd,hd->hp", keys, query) / math.sqrt(HEAD_WIDTH)
        parts = np.exp(scores - scores.max(1, keepdims=True))
        parts /= parts.sum(1, keepdims=True)
        mixed: Vector = np.einsum("hp,phd->hd", parts, values).reshape(-1)
        return mixed


def rounded(x: Vector) -> Vector:
    return x.astype(np.float32)
