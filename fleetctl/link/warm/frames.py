"""What goes over the socket of a server: frames, each a kind (one byte), a length (four bytes, big
end first) and so many bytes. One operation has one connection, whose first frame asks for it."""

from __future__ import annotations

import asyncio

from fleetctl import __version__
from fleetctl.errors import FleetctlError

VERSION = f"{__version__}/2"
"""Client and server have the same one, or do not talk."""

REQUEST = b"R"
"""From the client: a :class:`fleetctl.link.warm.messages.Request`."""
STATUS = b"S"
"""From the client: what :mod:`fleetctl.serve.quick` wants to know."""
INPUT = b"I"
"""From the client: for the script's stdin."""
END_OF_INPUT = b"E"
RESIZE = b"Z"
"""From the client: :class:`fleetctl.link.warm.messages.Size`."""

GRANTED = b"K"
"""From the server: the answer, or nothing, where what follows are other frames or plain bytes."""
REFUSED = b"N"
"""From the server: the reason; the client does without it."""
BEGUN = b"B"
"""From the server: the script runs."""
NOT_BEGUN = b"G"
"""From the server: it does not, a :class:`fleetctl.link.warm.messages.Failure`."""
OUTPUT = b"O"
ERRORS = b"X"
"""From the server: the next bytes of stderr; for a stream that does not read them all of the end
that is kept."""
DONE = b"D"
"""From the server: a :class:`fleetctl.link.warm.messages.Done`."""
FAILED = b"F"
"""From the server: a :class:`fleetctl.link.warm.messages.Failure`."""

MOST_BYTES = 1024 * 1024
"""Of a frame, unless more is expected."""
PIECE = 64 * 1024
"""Of what is passed on at once."""


class Broken(FleetctlError):
    """The other end is gone, or sends what it may not."""


async def read(reader: asyncio.StreamReader, most_bytes: int = MOST_BYTES) -> tuple[bytes, bytes]:
    """The next frame.

    :raises Broken: there is none.
    """
    try:
        head = await reader.readexactly(5)
        length = int.from_bytes(head[1:], "big")
        if length > most_bytes:
            raise Broken(f"a frame of {length} bytes")
        return head[:1], await reader.readexactly(length)
    except (OSError, asyncio.IncompleteReadError) as error:
        raise Broken(str(error)) from None


def framed(kind: bytes, content: bytes = b"") -> bytes:
    return kind + len(content).to_bytes(4, "big") + content


def pieces(kind: bytes, data: bytes) -> bytes:
    """Frames for ``data``, none of which is too long."""
    whole = range(0, len(data), PIECE)
    return b"".join(framed(kind, data[i : i + PIECE]) for i in whole)


async def send(writer: asyncio.StreamWriter, data: bytes) -> None:
    """Write frames, and wait until little of them waits here.

    :raises Broken: the other end is gone.
    """
    try:
        writer.write(data)
        await writer.drain()
    except (OSError, RuntimeError) as error:  # RuntimeError: it is closed here
        raise Broken(str(error)) from None
