"""A rank that is asked by another one: takes vectors through its blocks, over HTTP.

``GET /health`` says which rank this is; ``POST /forward`` computes. docs/ipad.md has the protocol.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import math
import struct
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence

from log import log
from model import FILE, Memory, Part, sample
from web import Answer, Request, said, serve
from weights import WIDTH

MAX_POSITIONS = 64
"""The most vectors in one request, which bounds how long it is computed."""
MAX_SEQUENCES = 8
"""How many sequences are kept in mind; the one that was asked for longest ago goes."""
MAX_SEED = 1 << 53


class Refused(Exception):
    """A request makes no sense; the text is a sentence."""


class Stage:
    def __init__(self, part: Part) -> None:
        self._part = part
        self._sequences: OrderedDict[str, Memory] = OrderedDict()
        self._weights = digest()
        self._answered = 0

    async def answer(self, request: Request) -> Answer:
        """The answer to a request; it never raises."""
        asked = (request.method, request.path)
        if asked == ("GET", "/health"):
            return self._health()
        if asked != ("POST", "/forward"):
            return said(404, error="there are GET /health and POST /forward")
        try:
            return self._forward(request)
        except Refused as error:
            return said(400, error=str(error))

    def _health(self) -> Answer:
        return said(
            200,
            blocks=[self._part.first, self._part.last],
            weights=self._weights,
            arithmetic=self._part.maths.__name__,
            sequences=len(self._sequences),
            answered=self._answered,
        )

    def _forward(self, request: Request) -> Answer:
        began = time.perf_counter()
        name = request.query.get("sequence", "")
        if not (name.isascii() and name.isalnum() and len(name) <= 64):
            raise Refused("sequence is no name of letters and digits")
        position = whole(request.query, "position", MAX_SEED)
        numbers = numbers_of(request.body)
        temperature, seed = 0.0, 0
        if self._part.ends:
            temperature = temperature_of(request.query.get("temperature", "0"))
            seed = whole({"seed": "0", **request.query}, "seed", MAX_SEED)
        memory = self._memory(name, position)
        if memory.position != position:
            return said(
                409,
                error=f"sequence {name} has {memory.position} positions here: send it from 0 on",
                position=memory.position,
            )
        try:
            results = [self._part.forward(memory, x) for x in self._part.vectors(numbers)]
            if self._part.ends:
                token = sample(self._part.logits(results[-1]), temperature, seed, memory.position)
                answer = said(200, token=token)
            else:
                flat = [float(value) for vector in results for value in vector]
                answer = Answer(200, struct.pack(f"<{len(flat)}f", *flat))
        except (ValueError, ArithmeticError) as error:
            raise Refused(f"this cannot be computed: {error}") from None
        self._answered += len(results)
        milliseconds = (time.perf_counter() - began) * 1000
        answer.headers = {"Server-Timing": f"compute;dur={milliseconds:.3f}"}
        return answer

    def _memory(self, name: str, position: int) -> Memory:
        """What is kept of a sequence; position 0 begins it, also once more."""
        known = self._sequences.pop(name, None)
        memory = known if known is not None and position else self._part.memory()
        if memory.position or not position:
            self._sequences[name] = memory
        while len(self._sequences) > MAX_SEQUENCES:
            self._sequences.popitem(last=False)
        return memory


@functools.cache
def digest() -> str:
    """By which ranks know that they have the same weights: SHA-256, the first 12 hex digits."""
    return hashlib.sha256(FILE.read_bytes()).hexdigest()[:12]


def numbers_of(body: bytes) -> Sequence[float]:
    """The numbers of whole vectors.

    :raises Refused: they are none, or not finite.
    """
    if not body or len(body) % (4 * WIDTH) or len(body) > 4 * WIDTH * MAX_POSITIONS:
        raise Refused(
            f"a body of {len(body)} bytes is not 1 to {MAX_POSITIONS} vectors of {4 * WIDTH} bytes"
        )
    numbers = struct.unpack(f"<{len(body) // 4}f", body)
    if not math.isfinite(sum(numbers)):
        raise Refused("numbers that are not finite")
    return numbers


def whole(values: Mapping[str, str], key: str, limit: int) -> int:
    """A whole number from 0 on, and below ``limit``.

    :raises Refused: it is missing or something else.
    """
    text = values.get(key, "")
    if not (text.isascii() and text.isdecimal() and len(text) < 17 and int(text) < limit):
        raise Refused(f"{key} is no whole number from 0 on")
    return int(text)


def temperature_of(text: str) -> float:
    """Between 0 and 2.

    :raises Refused: it is something else.
    """
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value <= 2:
        raise Refused("temperature is no number from 0 to 2")
    return value if value > 0.01 else 0.0


async def run(part: Part, host: str, port: int, over: asyncio.Event) -> None:
    """Serve until ``over``.

    :raises OSError: the address cannot be listened on.
    """
    server = await serve(host, port, Stage(part).answer)
    maths = "numpy" if part.maths.__name__ == "arrays" else "plain Python"
    log(f"blocks {part.first}-{part.last} at {host}:{port}, in {maths}")
    await over.wait()
    server.close()
