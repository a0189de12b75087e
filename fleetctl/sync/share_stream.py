"""The stream of files that nodes share, as it is sent and read: here, and on each node, where it is
a part of share_program.py.

It is items: four bytes of length, a JSON object, its seal. Behind that of a file come its
content, the SHA-256 of that, and a seal. A seal is an HMAC with the run's key over a number, which
counts up, and the text; so what a stranger sends, leaves out or changes is refused.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any, Callable, Iterator  # noqa: UP035 -- for Python 3.7

PIECE = 1024 * 1024
MOST_HEADER = 64 * 1024


class Failed(Exception):
    """This node's part has failed.

    ``kind``: "own": for a reason of its own; "edge": between it and its source; "behind": what
    comes from its source has ended early.
    """

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


class Seals:
    """The seals of one stream, in its order."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._number = 0

    def of(self, text: bytes) -> bytes:
        self._number += 1
        return seal(self._key, self._number.to_bytes(8, "big") + text)


def seal(key: bytes, text: bytes) -> bytes:
    return hmac.new(key, text, hashlib.sha256).digest()


def header(seals: Seals, item: dict[str, Any]) -> bytes:
    text = json.dumps(item).encode()
    return len(text).to_bytes(4, "big") + text + seals.of(text)


def trailer(seals: Seals, digest: bytes) -> bytes:
    return digest + seals.of(digest)


def exactly(read: Callable[[int], bytes], size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        piece = read(min(PIECE, size - len(found)))
        if not piece:
            raise ConnectionError("the connection was closed")
        found += piece
    return bytes(found)


class Source:
    """What comes from the source, checked.

    :param read: at most so many bytes of it; none at its end.
    """

    def __init__(self, read: Callable[[int], bytes], key: bytes) -> None:
        self._read = read
        self._seals = Seals(key)

    def item(self) -> dict[str, Any]:
        size = int.from_bytes(self._exactly(4), "big")
        if size > MOST_HEADER:
            raise Failed("edge", "what came is not what was sent")
        text = self._exactly(size)
        self._check(text)
        item: dict[str, Any] = json.loads(text)
        return item

    def pieces(self, size: int) -> Iterator[bytes]:
        while size:
            data = self._some(min(PIECE, size))
            size -= len(data)
            yield data

    def check_digest(self, path: str, found: bytes) -> None:
        sent = self._exactly(32)
        self._check(sent)
        if sent != found:
            raise Failed("edge", f"{path} did not arrive as it was sent")

    def _check(self, text: bytes) -> None:
        if not hmac.compare_digest(self._exactly(32), self._seals.of(text)):
            raise Failed("edge", "what came is not what was sent")

    def _exactly(self, size: int) -> bytes:
        return exactly(self._some, size)

    def _some(self, most: int) -> bytes:
        try:
            data = self._read(most)
        except OSError as error:
            raise Failed("behind", f"its source was lost: {error}") from None
        if not data:
            raise Failed("behind", "its source was lost")
        return data
