"""A connection between a member and the one that decides: runs on nodes.

It begins with 32 hex digits from each side. Then come lines: the HMAC-SHA256 of what follows, a
space, a JSON object. The key of it is made of the token and both numbers; the HMAC covers the
sender's side and how many lines it sent before. So what a stranger sends, repeats or leaves out
ends the connection.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import socket
from typing import Any

LINE = 4096


class Wire:
    """A connection, with what was read of its next line.

    :param side: ``d`` at the decider, ``m`` at a member.
    """

    def __init__(self, link: socket.socket, token: bytes, side: str, now: float) -> None:
        link.setblocking(False)
        self.link = link
        self.began_s = now
        self.name = ""
        self.sent_s = 0.0
        self._token = token
        self._side = side
        self._own = os.urandom(16).hex().encode()
        self._key = b""
        self._counts = {"d": 0, "m": 0}
        self._held = b""
        self._write(self._own + b"\n")

    @property
    def open(self) -> bool:
        """Whether messages can be sent."""
        return bool(self._key)

    def _write(self, data: bytes) -> None:
        if self.link.send(data) != len(data):  # so little always fits, unless nobody reads
            raise ConnectionError("the other side does not read")

    def _seal(self, side: str, text: bytes) -> bytes:
        count = self._counts[side]
        self._counts[side] += 1
        what = side.encode() + count.to_bytes(8, "big") + text
        return hmac.new(self._key, what, hashlib.sha256).hexdigest().encode()

    def send(self, message: dict[str, Any], now: float) -> None:
        """
        :raises OSError: the connection is lost.
        """
        text = json.dumps(message).encode()
        self._write(self._seal(self._side, text) + b" " + text + b"\n")
        self.sent_s = now

    def read(self) -> list[dict[str, Any]]:
        """The messages that have come.

        :raises OSError: the connection is lost, or the other side does not know the token.
        """
        data = self.link.recv(4 * LINE)
        if not data:
            raise ConnectionError("it was closed")
        *lines, self._held = (self._held + data).split(b"\n")
        if any(len(line) > LINE for line in (*lines, self._held)):
            raise ConnectionError("a line is too long")
        found = []
        for line in lines:
            if not self._key:
                both = self._own + line if self._side == "d" else line + self._own
                self._key = hmac.new(self._token, both, hashlib.sha256).digest()
                continue
            seal, _, text = line.partition(b" ")
            if not hmac.compare_digest(seal, self._seal("m" if self._side == "d" else "d", text)):
                raise ConnectionError("it does not know the token")
            found.append(json.loads(text))
        return found
