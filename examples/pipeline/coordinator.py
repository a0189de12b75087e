"""Rank 0: turns text into tokens, computes the first blocks, and asks the other ranks for the rest.

``POST /generate`` answers with a JSON object per line, as they come:

- ``{"text": "O", "ranks_ms": […], "hops_ms": […]}``: a character, with the time that each rank
  computed, and that each way to another rank took, there and back;
- ``{"waiting": "rank 1 (ipad, …) does not work: …"}``: nothing goes on until that rank is back;
- ``{"end": "story"}``, ``"length"`` or ``"failed"``, the last with an ``error``: the last line.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import struct
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from log import log
from model import Memory, Part
from remote import Place, RankError, Remote, meet
from stage import MAX_SEED, Refused, temperature_of, whole
from text import END, decode, encode
from web import Answer, Request, said, serve
from weights import BLOCKS, CONTEXT

MAX_STORIES = 4
"""How many are written at once; more are refused."""
MAX_PROMPT = CONTEXT - 2
RETRY_S = 0.5
TOGETHER = 16
"""How many positions of a prompt are computed before others get their turn."""


@dataclass(frozen=True)
class Wish:
    """What is to be written."""

    tokens: list[int]
    temperature: float
    seed: int
    length: int
    """At most so many characters."""


class Coordinator:
    """
    :param node: what to call this rank's machine.
    :param places: the other ranks, in their order.
    :param patience_s: how long a story waits for a rank that does not work.
    """

    def __init__(self, part: Part, node: str, places: Sequence[Place], patience_s: float) -> None:
        self._part = part
        self._node = node
        self._places = places
        self._patience_s = patience_s
        self._writing = 0
        self._firsts: list[int] = []
        """The first block of each of the places, once all of them have been met."""

    async def answer(self, request: Request) -> Answer:
        """The answer to a request; it never raises."""
        asked = (request.method, request.path)
        if asked == ("GET", "/health"):
            return await self._health()
        if asked != ("POST", "/generate"):
            return said(404, error="there are GET /health and POST /generate")
        try:
            wish = wish_of(request.body)
        except Refused as error:
            return said(400, error=str(error))
        if self._writing >= MAX_STORIES:
            return said(503, error=f"{MAX_STORIES} stories are being written already")
        return Answer(200, content_type="application/x-ndjson", lines=self._lines(wish))

    async def _health(self) -> Answer:
        """Whether all ranks work; the first that does not is named."""
        try:
            await self._meet_all()
        except RankError as error:
            return said(503, ready=False, error=str(error), writing=self._writing)
        ranks = [{"rank": 0, "node": self._node, "blocks": [self._part.first, self._part.last]}]
        for place, first, beyond in zip(self._places, self._firsts, [*self._firsts[1:], BLOCKS]):
            ranks.append({"rank": place.rank, "node": place.node, "blocks": [first, beyond - 1]})
        return said(200, ready=True, ranks=ranks, writing=self._writing)

    async def _meet_all(self) -> None:
        """Ask all places which blocks they have.

        :raises RankError: one does not answer, or they are not the model one after the other.
        """
        firsts, next_block = [], self._part.last + 1
        for place in self._places:
            connection, last = await meet(place, next_block)
            connection.close()
            firsts.append(next_block)
            next_block = last + 1
        if next_block != BLOCKS:
            raise RankError(f"the last rank ends with block {next_block - 1} of 0-{BLOCKS - 1}")
        self._firsts = firsts

    async def _lines(self, wish: Wish) -> AsyncGenerator[bytes, None]:
        self._writing += 1
        story = Story(self._part, wish)
        try:
            async for event in self._events(story):
                yield json.dumps(event).encode() + b"\n"
        finally:
            self._writing -= 1
            story.close()
            log(f"{story.written} characters, seed {wish.seed}: {story.end or 'nobody listens'}")

    async def _events(self, story: Story) -> AsyncGenerator[dict[str, object], None]:
        failing_since: float | None = None
        while not story.end:
            try:
                if not story.remotes:
                    await self._meet_all()
                    story.set_out(self._places, self._firsts)
                event = await story.step()
            except RankError as error:
                now = time.monotonic()
                failing_since = failing_since or now
                if now - failing_since > self._patience_s:
                    story.end = "failed"
                    yield {"end": "failed", "error": str(error)}
                    return
                yield {"waiting": str(error)}
                await asyncio.sleep(RETRY_S)
                continue
            failing_since = None
            if event:
                yield event
        yield {"end": story.end}


class Story:
    """A sequence on its way through all ranks; the token that comes out goes in again.

    :meth:`step` may be called again after a :class:`RankError`: it goes on where it was.
    """

    def __init__(self, part: Part, wish: Wish) -> None:
        self.remotes: list[Remote] = []
        self.written = 0
        self.end = ""
        self._part = part
        self._wish = wish
        self._memory: Memory = part.memory()
        self._tokens = wish.tokens
        self._count = len(wish.tokens)
        """Of how many positions the answer is wanted now."""
        self._reached = 0
        """How many of the remote ranks have had these positions."""
        self._vectors = b""
        self._compute_s = 0.0

    def set_out(self, places: Sequence[Place], firsts: Sequence[int]) -> None:
        name = secrets.token_hex(8)
        self.remotes = [Remote(p, first, name) for p, first in zip(places, firsts)]

    async def step(self) -> dict[str, object]:
        """Write the next character; empty at the end.

        :raises RankError: a rank cannot be used now.
        """
        if self._tokens:
            await self._begin()
        while self._reached < len(self.remotes):
            remote = self.remotes[self._reached]
            extra: dict[str, object] = {}
            if remote is self.remotes[-1]:
                extra = {"temperature": self._wish.temperature, "seed": self._wish.seed}
            answer = await remote.forward(self._count, **extra)
            self._reached += 1
            if remote is self.remotes[-1]:
                return self._take(remote, answer)
            if len(answer) != len(self._vectors):
                raise remote.place.error(f"it answers with {len(answer)} bytes")
            self._hand_on(answer)
        raise AssertionError("there are ranks after rank 0")

    async def _begin(self) -> None:
        """Take the new tokens through the blocks of this rank."""
        began, numbers = time.perf_counter(), []
        for number, token in enumerate(self._tokens, 1):
            x = self._part.embed(token, self._memory.position)
            numbers += [float(value) for value in self._part.forward(self._memory, x)]
            if number % TOGETHER == 0:
                await asyncio.sleep(0)
        self._compute_s = time.perf_counter() - began
        self._count, self._tokens, self._reached = len(self._tokens), [], 0
        self._hand_on(struct.pack(f"<{len(numbers)}f", *numbers))

    def _hand_on(self, vectors: bytes) -> None:
        self._vectors = vectors
        self.remotes[self._reached].add(vectors)

    def _take(self, last: Remote, answer: bytes) -> dict[str, object]:
        try:
            token = json.loads(answer)["token"]
            character = decode(token)
        except (ValueError, KeyError, TypeError, IndexError):
            raise last.place.error("its answer has no token") from None
        if token == END:
            self.end = "story"
            return {}
        self.written += 1
        if self.written >= self._wish.length or self._memory.position >= CONTEXT:
            self.end = "length"
        self._tokens = [token]
        times = [remote.take_times() for remote in self.remotes]
        return {
            "text": character,
            "ranks_ms": _milliseconds([self._compute_s, *(compute for compute, _ in times)]),
            "hops_ms": _milliseconds([hop for _, hop in times]),
        }

    def close(self) -> None:
        for remote in self.remotes:
            remote.close()


def _milliseconds(times_s: Sequence[float]) -> list[float]:
    return [round(time_s * 1000, 3) for time_s in times_s]


def wish_of(body: bytes) -> Wish:
    """What the JSON object of a request asks for.

    :raises Refused: it makes no sense.
    """
    try:
        values = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise Refused("the body is no JSON object")
    texts = {key: str(value) for key, value in values.items()}
    prompt = texts.get("prompt", "")
    if len(prompt) > MAX_PROMPT:
        raise Refused(f"the beginning has more than {MAX_PROMPT} characters")
    try:
        tokens = [END, *encode(prompt)]
    except ValueError as error:
        raise Refused(str(error)) from None
    length = whole({"length": str(CONTEXT), **texts}, "length", CONTEXT + 1)
    temperature = temperature_of(texts.get("temperature", "0.7"))
    seed = whole({"seed": "1", **texts}, "seed", MAX_SEED)
    return Wish(tokens, temperature, seed, max(length, 1))


async def run(coordinator: Coordinator, host: str, port: int, over: asyncio.Event) -> None:
    """Serve until ``over``.

    :raises OSError: the address cannot be listened on.
    """
    server = await serve(host, port, coordinator.answer)
    log(f"rank 0 at {host}:{port}")
    await over.wait()
    server.close()
