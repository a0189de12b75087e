"""A rank as rank 0 sees it: where it is, and how a sequence gets through its blocks."""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from stage import MAX_POSITIONS, digest
from web import Connection, WebError
from weights import WIDTH

CONNECT_TIMEOUT_S = 3.0
FORWARD_TIMEOUT_S = 10.0


class RankError(Exception):
    """A rank cannot be used now; the text is a sentence that names it."""


@dataclass(frozen=True)
class Place:
    """A rank that is asked over the network."""

    rank: int
    node: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"rank {self.rank} ({self.node}, {self.host}:{self.port})"

    def error(self, why: object) -> RankError:
        return RankError(f"{self} does not work: {why}")


async def meet(place: Place, first: int) -> tuple[Connection, int]:
    """Connect to a rank that has the blocks from ``first`` on; also returns its last block.

    :raises RankError: it does not answer, or is not the rank that belongs here.
    """
    try:
        connection = await Connection.open(place.host, place.port, CONNECT_TIMEOUT_S)
    except WebError as error:
        raise place.error(error) from None
    try:
        status, _, body = await connection.ask("GET", "/health", b"", CONNECT_TIMEOUT_S)
        about = _object(body)
        blocks = about.get("blocks")
        if status != 200 or not isinstance(blocks, list) or len(blocks) != 2:
            raise WebError(f"its /health is no rank's (status {status})")
        if blocks[0] != first or not isinstance(blocks[1], int) or blocks[1] < first:
            raise WebError(f"it has blocks {blocks[0]}-{blocks[1]}, and {first} is next")
        if about.get("weights") != digest():
            raise WebError("its weights are others than those of rank 0")
    except BaseException as error:
        connection.close()
        if isinstance(error, WebError):
            raise place.error(error) from None
        raise
    return connection, blocks[1]


class Remote:
    """One sequence on its way through one rank.

    All that went in is kept, so that a rank which was switched off and on gets it once more.
    """

    def __init__(self, place: Place, first: int, sequence: str) -> None:
        self.place = place
        self.compute_s = 0.0
        """What the rank says that it computed for, since :meth:`take_times`."""
        self.hop_s = 0.0
        """The rest of the time until its answers: the network, there and back."""
        self._first = first
        self._sequence = sequence
        self._inputs: list[bytes] = []
        self._done = 0
        self._connection: Connection | None = None

    def add(self, vectors: bytes) -> None:
        """The next positions."""
        size = 4 * WIDTH
        self._inputs += [vectors[n : n + size] for n in range(0, len(vectors), size)]

    async def forward(self, last: int, **extra: object) -> bytes:
        """Bring the rank up to date; the answer for the ``last`` newest positions.

        May be called again after an error.

        :raises RankError: the rank cannot be used now.
        """
        answers: list[bytes] = []
        wanted = len(self._inputs) - last
        if self._done > wanted:  # it failed in between
            self._done = 0
        refusals = 0
        while self._done < len(self._inputs):
            # Positions that were there before, and those whose answer is wanted, go separately.
            end = wanted if self._done < wanted else len(self._inputs)
            part = self._inputs[self._done : min(end, self._done + MAX_POSITIONS)]
            status, body = await self._ask(b"".join(part), extra)
            if status == 409 and refusals < 2:
                refusals += 1
                self._done, answers = 0, []
                continue
            if status != 200:
                self._hang_up()
                raise self.place.error(_object(body).get("error") or f"status {status}")
            if self._done >= wanted:
                answers.append(body)
            self._done += len(part)
        return b"".join(answers[-1:] if extra else answers)

    async def _ask(self, body: bytes, extra: dict[str, object]) -> tuple[int, bytes]:
        if self._connection is None:
            self._connection, _ = await meet(self.place, self._first)
        query = {"sequence": self._sequence, "position": self._done, **extra}
        began = time.perf_counter()
        try:
            status, headers, answer = await self._connection.ask(
                "POST", f"/forward?{urlencode(query)}", body, FORWARD_TIMEOUT_S
            )
        except WebError as error:
            self._hang_up()
            raise self.place.error(error) from None
        took = time.perf_counter() - began
        computed = min(took, _compute_s(headers.get("server-timing", "")))
        self.compute_s += computed
        self.hop_s += took - computed
        return status, answer

    def take_times(self) -> tuple[float, float]:
        """Computing and travelling since the last call, in seconds."""
        times = self.compute_s, self.hop_s
        self.compute_s = self.hop_s = 0.0
        return times

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    close = _hang_up


def _object(body: bytes) -> dict[str, Any]:
    with contextlib.suppress(ValueError, RecursionError):
        value = json.loads(body)
        if isinstance(value, dict):
            return value
    return {}


def _compute_s(timing: str) -> float:
    """The duration in a header such as ``compute;dur=3.1``, which is in milliseconds."""
    with contextlib.suppress(ValueError):
        value = float(timing.partition("dur=")[2].split(",")[0].split(";")[0])
        if 0 <= value < 1e9:
            return value / 1000
    return 0.0
