"""The protocol of server and workers: frames of one JSON object and an array of numbers.

A frame is the mark ``EDP1``, the length of the JSON and the length of the numbers in bytes (both
32 bits, network order), then both: UTF-8 JSON and little-endian 32-bit floats. A frame that does
not begin with the mark, is too long or does not arrive in time ends the connection.
"""

from __future__ import annotations

import json
import math
import socket
import struct
import time

HEAD = struct.Struct("!4sII")
MARK = b"EDP1"
MAX_JSON_BYTES = 4096
MAX_NUMBERS_BYTES = 1 << 20


class WireError(Exception):
    """The other side is gone, silent, or violates the protocol; the text is a clause."""


def send(
    sock: socket.socket, message: dict[str, object], numbers: list[float], timeout_s: float
) -> None:
    """Send one frame.

    :raises WireError: the other side is gone, or does not take the frame within ``timeout_s``.
    """
    text = json.dumps(message).encode()
    head = HEAD.pack(MARK, len(text), 4 * len(numbers))
    sock.settimeout(timeout_s)
    try:
        sock.sendall(head + text + struct.pack(f"<{len(numbers)}f", *numbers))
    except socket.timeout as error:
        raise WireError(f"took nothing for {timeout_s:g} s") from error
    except OSError as error:
        raise WireError(error.strerror or str(error)) from error


def receive(sock: socket.socket, timeout_s: float) -> tuple[dict[str, object], list[float]]:
    """Wait for one whole frame, ``timeout_s`` at most however slowly it arrives.

    :raises WireError: there is no frame within ``timeout_s``, or it is malformed.
    """
    deadline = time.monotonic() + timeout_s
    mark, text_bytes, numbers_bytes = HEAD.unpack(_read(sock, HEAD.size, deadline, timeout_s))
    if mark != MARK:
        raise WireError("malformed frame: it does not begin with EDP1")
    if text_bytes > MAX_JSON_BYTES or numbers_bytes > MAX_NUMBERS_BYTES or numbers_bytes % 4:
        raise WireError(f"malformed frame: lengths {text_bytes} and {numbers_bytes}")
    body = _read(sock, text_bytes + numbers_bytes, deadline, timeout_s)
    try:
        message = json.loads(body[:text_bytes].decode())
    except (ValueError, RecursionError) as error:
        raise WireError("malformed frame: not JSON") from error
    if not isinstance(message, dict):
        raise WireError("malformed frame: not a JSON object")
    numbers = list(struct.unpack(f"<{numbers_bytes // 4}f", body[text_bytes:]))
    if not math.isfinite(sum(numbers)):
        raise WireError("malformed frame: numbers that are not finite")
    return message, numbers


def text_of(message: dict[str, object], key: str) -> str:
    """A short printable string; it goes into log lines.

    :raises WireError: it is missing or something else.
    """
    value = message.get(key)
    if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= 200:
        raise WireError(f"malformed frame: {key} is no short text")
    return value


def whole_of(message: dict[str, object], key: str) -> int:
    """A whole number from 0 on.

    :raises WireError: it is missing or something else.
    """
    value = message.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 53:
        raise WireError(f"malformed frame: {key} is no whole number")
    return value


def number_of(message: dict[str, object], key: str) -> float:
    """A finite number.

    :raises WireError: it is missing or something else.
    """
    value = message.get(key)
    if not isinstance(value, float) or not math.isfinite(value):
        raise WireError(f"malformed frame: {key} is no number")
    return value


def _read(sock: socket.socket, count: int, deadline: float, timeout_s: float) -> bytes:
    data = bytearray()
    while len(data) < count:
        try:
            sock.settimeout(max(deadline - time.monotonic(), 0.001))
            chunk = sock.recv(count - len(data))
        except socket.timeout as error:
            raise WireError(f"silent for {timeout_s:g} s") from error
        except OSError as error:
            raise WireError(error.strerror or str(error)) from error
        if not chunk:
            raise WireError("closed the connection")
        data += chunk
    return bytes(data)
