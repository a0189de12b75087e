"""A character-level language model with lists for matrices: small enough for a Raspberry Pi.

Three characters predict the next one: embedding, one tanh layer, softmax. The weights travel and
are updated as one flat list of numbers.
"""

from __future__ import annotations

import math
import random
from itertools import chain
from operator import mul
from pathlib import Path

Matrix = list[list[float]]

ALPHABET = "\n !'(),-.:;?abcdefghijklmnopqrstuvwxyz"
CONTEXT = 3
EMBEDDING = 8
HIDDEN = 24

SHAPES = (
    (len(ALPHABET), EMBEDDING),
    (HIDDEN, CONTEXT * EMBEDDING),
    (1, HIDDEN),
    (len(ALPHABET), HIDDEN),
    (1, len(ALPHABET)),
)
"""Embedding, hidden layer and its bias, output layer and its bias."""

SIZE = sum(rows * columns for rows, columns in SHAPES)
"""The number of weights."""

UNTRAINED_LOSS = math.log(len(ALPHABET))
"""The loss of guessing, in nats per character; training begins with it."""


def read_text(path: Path) -> list[int]:
    """A text as indices into the alphabet; other characters become spaces."""
    places = {letter: place for place, letter in enumerate(ALPHABET)}
    return [places.get(c, places[" "]) for c in path.read_text(encoding="utf-8").lower()]


def shard(text: list[int], index: int, count: int) -> list[int]:
    """The ``index``-th of ``count`` equal parts, counted from 0."""
    length = len(text) // count
    return text[index * length : (index + 1) * length]


def batch(text: list[int], size: int, dice: random.Random) -> list[list[int]]:
    """``size`` random samples of the text: each a context and the character after it."""
    starts = [dice.randrange(len(text) - CONTEXT) for _ in range(size)]
    return [text[start : start + CONTEXT + 1] for start in starts]


def initial_weights(seed: int) -> list[float]:
    dice = random.Random(seed)
    return [dice.gauss(0, 0.1) for _ in range(SIZE)]


def loss_and_gradient(weights: list[float], samples: list[list[int]]) -> tuple[float, list[float]]:
    """Mean cross-entropy over ``samples`` in nats per character, and its gradient."""
    embedding, hidden, (hidden_bias,), output, (output_bias,) = _unflatten(weights)

    inputs = [list(chain(*(embedding[c] for c in sample[:-1]))) for sample in samples]
    active = [
        [math.tanh(z + bias) for z, bias in zip(row, hidden_bias)] for row in _times(inputs, hidden)
    ]
    loss = 0.0
    errors = []
    for sample, row in zip(samples, _times(active, output)):
        chances = _softmax([z + bias for z, bias in zip(row, output_bias)])
        loss -= math.log(max(chances[sample[-1]], 1e-12))
        chances[sample[-1]] -= 1
        errors.append([chance / len(samples) for chance in chances])

    back = [
        [error * (1 - a * a) for error, a in zip(error_row, active_row)]
        for error_row, active_row in zip(_times(errors, _turned(output)), active)
    ]
    embedding_gradient = [[0.0] * EMBEDDING for _ in ALPHABET]
    for sample, row in zip(samples, _times(back, _turned(hidden))):
        for place, character in enumerate(sample[:-1]):
            part = row[place * EMBEDDING : (place + 1) * EMBEDDING]
            total = embedding_gradient[character]
            embedding_gradient[character] = [a + b for a, b in zip(total, part)]
    gradient = [
        embedding_gradient,
        _times(_turned(back), _turned(inputs)),
        [[sum(column) for column in _turned(back)]],
        _times(_turned(errors), _turned(active)),
        [[sum(column) for column in _turned(errors)]],
    ]
    return loss / len(samples), [x for matrix in gradient for row in matrix for x in row]


class Adagrad:
    """Weights and their updates; the more a weight has moved, the smaller its steps.

    Adagrad is known to be stable in asynchronous training with late gradients (Dean et al., "Large
    Scale Distributed Deep Networks", 2012).
    """

    def __init__(self, seed: int, rate: float = 0.1) -> None:
        self.weights = initial_weights(seed)
        self.rate = rate
        self._squares = [1e-8] * SIZE

    def apply(self, gradient: list[float], staleness: int) -> None:
        """Apply ``gradient``, with a smaller rate the more steps it is late (``staleness``)."""
        rate = self.rate / (1 + staleness)
        self._squares = [s + g * g for s, g in zip(self._squares, gradient)]
        self.weights = [
            w - rate * g / math.sqrt(s) for w, g, s in zip(self.weights, gradient, self._squares)
        ]


def _unflatten(weights: list[float]) -> list[Matrix]:
    matrices = []
    start = 0
    for rows, columns in SHAPES:
        end = start + rows * columns
        matrices.append([weights[i : i + columns] for i in range(start, end, columns)])
        start = end
    return matrices


def _times(a: Matrix, b: Matrix) -> Matrix:
    """``a`` times the transpose of ``b``."""
    return [[sum(map(mul, row, other)) for other in b] for row in a]


def _turned(matrix: Matrix) -> Matrix:
    return [list(column) for column in zip(*matrix)]


def _softmax(row: list[float]) -> list[float]:
    top = max(row)
    powers = [math.exp(z - top) for z in row]
    total = sum(powers)
    return [power / total for power in powers]
