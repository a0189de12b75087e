"""A TCP connection of the node's own tools, passed on over a channel, where its SSH server forwards
none.

python3 closes each half by itself, as a forwarded connection does, but may be a stub on a Mac that
opens a window. bash and netcats cannot close one half: what waits for that is ended from here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fleetctl.errors import LinkHung
from fleetctl.link.protocol import Link, Stream
from fleetctl.observe.on_node import NoTool
from fleetctl.quoting import quote

STALLED_S = 60.0
"""A node that takes nothing for so long is given up."""
_HEAD_BYTES = 4096

# Prints a line when the connection is made, and then what comes from it. "halves": each half of it
# is closed by itself; "whole": it is not; "none": there is no tool.
_TEXT = r"""
tools='python3 bash nc'
[ "$(uname -s)" != Darwin ] || tools='bash nc'
for tool in $tools; do
  command -v $tool >/dev/null 2>&1 && break
  tool=
done
case $tool in
python3) exec python3 -c '
import os, socket, sys, threading
try:
    there = socket.create_connection((sys.argv[1], int(sys.argv[2])), 10)
except OSError as error:
    sys.exit(error.strerror or str(error))
there.settimeout(None)
def say(data):
    while data:
        data = data[os.write(1, data):]
def up():
    try:
        while True:
            data = os.read(0, 65536)
            if not data:
                break
            there.sendall(data)
        there.shutdown(socket.SHUT_WR)
    except OSError:
        pass
say(b"halves\n")
threading.Thread(target=up, daemon=True).start()
while True:
    data = there.recv(65536)
    if not data:
        break
    say(data)
' "$host" "$port" ;;
bash) exec bash -c 'exec 3<>"/dev/tcp/$0/$1" 4<&0 || exit
echo whole
cat <&4 >&3 2>/dev/null &
cat <&3
kill $! 2>/dev/null' "$host" "$port" ;;
nc)
  said=$(nc -z "$host" "$port" 2>&1) || case $said in
    *"invalid option"*) ;; # some of BusyBox
    *) echo "${said:-Connection refused}" >&2; exit 1 ;;
  esac
  echo whole
  exec nc "$host" "$port"
  ;;
*) echo none ;;
esac
"""


class Relayed:
    """Both ends of a connection from the node, as asyncio's reader and writer have them.

    :param halves: whether the end of what is written reaches the other side while it still answers.
    """

    def __init__(self, stream: Stream, first: bytes, *, halves: bool) -> None:
        self._stream = stream
        self._first = first
        self.halves = halves

    async def read(self, _most: int) -> bytes:
        """The next bytes; empty at the end.

        :raises LinkLost: the connection to the node broke.
        """
        first, self._first = self._first, b""
        return first or await self._stream.read()

    def write(self, data: bytes) -> None:
        self._stream.write(data)

    async def drain(self) -> None:
        await self._stream.drain(STALLED_S)

    def write_eof(self) -> None:
        self._stream.write_eof()

    def close(self) -> None:
        """The end of its context closes it."""


@asynccontextmanager
async def relayed(link: Link, host: str, port: int, timeout_s: float) -> AsyncIterator[Relayed]:
    """A connection from the node of ``link`` to ``host:port``, until the context is left.

    :raises OSError: the node could not connect.
    :raises TimeoutError: it could not within ``timeout_s`` seconds.
    :raises NoTool: it has none of the tools that could.
    :raises LinkError: the node is lost.
    """
    script = f"host={quote(host)} port={port}\n{_TEXT}"
    async with link.stream(script, unmarked=True) as stream:
        await stream.begun()
        head = b""
        while b"\n" not in head:
            try:
                data = await stream.read(timeout_s)
            except LinkHung:
                raise TimeoutError from None
            if not data or len(head) > _HEAD_BYTES:
                said = stream.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
                raise ConnectionError(said.rpartition(": ")[2] or "it was refused")
            head += data
        word, _, first = head.partition(b"\n")
        if word == b"none":
            raise NoTool
        yield Relayed(stream, first, halves=word == b"halves")
