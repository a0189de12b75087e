"""The model's shape, and the file with its weights.

The model is a GPT-2 in small: learned positions, blocks of attention and feed-forward with a layer
norm before each, GELU by its tanh form, and the table of tokens as the head, too. A position sees
the last ``WINDOW`` positions, itself among them, so that the work per token has a bound.

The file: a line of JSON with the shape, padded to 512 bytes, then the tensors in the order of
:func:`layout`, little-endian 16-bit floats. Matrices have a row for each output.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from text import ALPHABET

BLOCKS = 12
WIDTH = 48
HEADS = 4
CONTEXT = 448
"""The most positions of a sequence: the end token before it, the prompt, and the story."""
WINDOW = 64
HEAD_BYTES = 512

SHAPE = {
    "blocks": BLOCKS,
    "width": WIDTH,
    "heads": HEADS,
    "context": CONTEXT,
    "window": WINDOW,
    "alphabet": ALPHABET,
}


def layout() -> dict[str, tuple[int, ...]]:
    """The shape of each tensor, in the order of the file."""
    tensors: dict[str, tuple[int, ...]] = {
        "tokens": (len(ALPHABET), WIDTH),
        "positions": (CONTEXT, WIDTH),
    }
    for number in range(BLOCKS):
        for name, rows, columns in (
            ("attend", 3 * WIDTH, WIDTH),
            ("attend_out", WIDTH, WIDTH),
            ("feed", 4 * WIDTH, WIDTH),
            ("feed_out", WIDTH, 4 * WIDTH),
        ):
            tensors[f"block{number}.{name}"] = (rows, columns)
            tensors[f"block{number}.{name}.bias"] = (rows,)
        for name in (f"block{number}.norm1", f"block{number}.norm2"):
            tensors |= {f"{name}.gain": (WIDTH,), f"{name}.bias": (WIDTH,)}
    return {**tensors, "norm.gain": (WIDTH,), "norm.bias": (WIDTH,)}


def write(path: Path, tensors: Mapping[str, Sequence[float]]) -> None:
    """Write the weights: each tensor's numbers, row by row."""
    with path.open("wb") as file:
        file.write(json.dumps(SHAPE).encode().ljust(HEAD_BYTES - 1) + b"\n")
        for name in layout():
            file.write(struct.pack(f"<{len(tensors[name])}e", *tensors[name]))


def read(path: Path, names: Iterable[str]) -> dict[str, tuple[float, ...]]:
    """The numbers of the tensors called ``names``, row by row.

    :raises ValueError: the file is of another model, or is cut off.
    """
    wanted, found = set(names), {}
    with path.open("rb") as file:
        if file.read(HEAD_BYTES).rstrip() != json.dumps(SHAPE).encode():
            raise ValueError(f"{path} has weights of another model")
        for name, shape in layout().items():
            count = shape[0] * (shape[1] if len(shape) == 2 else 1)
            if name not in wanted:
                file.seek(2 * count, 1)
                continue
            data = file.read(2 * count)
            if len(data) < 2 * count:
                raise ValueError(f"{path} is cut off at {name}")
            found[name] = struct.unpack(f"<{count}e", data)
    return found
