"""What clients ask of links, done over those of the server: one connection, one operation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, cast

import msgspec

from fleetctl.errors import LinkError, ShellHung
from fleetctl.link.links import Links
from fleetctl.link.mistakes import of_node
from fleetctl.link.protocol import ForwardingForbidden, Stream, Terminal
from fleetctl.link.warm import frames
from fleetctl.link.warm.client import MOST_STDIN_BYTES
from fleetctl.link.warm.messages import (
    Connect,
    Connected,
    Done,
    Failure,
    Hold,
    Open,
    OpenTerminal,
    Operation,
    Run,
    Size,
    Touched,
    Wanted,
)
from fleetctl.serve.lanes import Lanes

_PATIENCE_S = 24 * 3600.0
"""A script that takes nothing of its input for so long is given no more."""
MOST_REQUEST = MOST_STDIN_BYTES + 4 * frames.MOST_BYTES
"""Bytes of a first frame: what a script reads, and the script."""
_LAST_WORDS_S = 60.0
"""How long a connection that the client has closed, or half of it, is read on."""
Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Relay:
    """
    :param touched: called with a node when a client has done something there.
    """

    def __init__(
        self,
        links: Links,
        nodes: frozenset[str],
        lanes: Lanes,
        touched: Callable[[str], None],
    ) -> None:
        self._links = links
        self._nodes = nodes
        self._lanes = lanes
        self._touched = touched

    async def do(self, asked: Operation, ends: Ends) -> None:
        """Do what is asked, until it is done or the client is gone.

        :raises Broken: the client is gone.
        """
        reader, writer = ends
        match asked:
            case Hold():
                await frames.send(writer, frames.framed(frames.GRANTED))
                await reader.read(1)
            case Touched():
                for node in self._nodes & frozenset(asked.nodes):
                    self._touched(node)
                await frames.send(writer, frames.framed(frames.GRANTED))
            case _ if asked.node not in self._nodes:
                await frames.send(writer, frames.framed(frames.REFUSED, b"there is no such node"))
            case Wanted():
                await self._tell(asked, writer)
            case _:
                try:
                    await self._on_node(asked, ends)
                finally:
                    self._touched(asked.node)

    async def _tell(self, asked: Wanted, writer: asyncio.StreamWriter) -> None:
        link = self._links.open_now(asked.node)
        if link is None:
            await frames.send(writer, frames.framed(frames.REFUSED, b"it is not connected"))
            return
        carried = {node: tuple(sorted(self._links.carried(node))) for node in self._nodes}
        told = Connected(
            link.address,
            link.connect_ms,
            link.shell_s,
            link.ignored,
            link.via,
            link.bypassed,
            {node: networks for node, networks in carried.items() if networks},
        )
        await frames.send(writer, frames.framed(frames.GRANTED, msgspec.msgpack.encode(told)))

    async def _on_node(self, asked: Run | Open | OpenTerminal | Connect, ends: Ends) -> None:
        try:
            with of_node(asked.node):
                match asked:
                    case Run():
                        await self._run(asked, ends)
                    case Connect():
                        await self._connect(asked, ends)
                    case Open() | OpenTerminal():
                        await self._stream(asked, ends)
        except LinkError as error:
            failure = msgspec.msgpack.encode(Failure.of(error))
            await frames.send(ends[1], frames.framed(frames.FAILED, failure))

    async def _run(self, asked: Run, ends: Ends) -> None:
        async def run() -> None:
            async with self._lanes.link(asked.node) as link:
                done = await link.run(
                    _decoded(asked.script),
                    stdin=asked.stdin,
                    timeout_s=asked.timeout_s,
                    most_bytes=asked.most_bytes,
                )
            said = msgspec.msgpack.encode(done)
            await frames.send(ends[1], frames.framed(frames.GRANTED, said))

        await _while_there(run(), _gone(ends[0]))

    async def _connect(self, asked: Connect, ends: Ends) -> None:
        reader, writer = ends
        try:
            # forwarded connections do not count as sessions (sshd_config(5), MaxSessions)
            link = await self._links.get(asked.node)
            there = await link.open_connection(asked.host, asked.port, timeout_s=asked.timeout_s)
        except (ForwardingForbidden, OSError) as error:  # TimeoutError is one, too
            forbidden = isinstance(error, ForwardingForbidden)
            kind = "ForwardingForbidden" if forbidden else "OSError"
            failure = msgspec.msgpack.encode(Failure(kind, str(error)))
            await frames.send(writer, frames.framed(frames.FAILED, failure))
            return
        try:
            await frames.send(writer, frames.framed(frames.GRANTED))
            up = asyncio.create_task(_pass_on(reader, there[1]))
            down = asyncio.create_task(_pass_on(there[0], writer))
            try:
                done, left = await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
                # what one end raises is that it is gone, and ends the other
                if left and not any(task.exception() for task in done):
                    await asyncio.wait(left, timeout=_LAST_WORDS_S if up in done else None)
            finally:
                up.cancel()
                down.cancel()
                await asyncio.gather(up, down, return_exceptions=True)
        finally:
            there[1].close()

    async def _stream(self, asked: Open | OpenTerminal, ends: Ends) -> None:
        reader, writer = ends
        async with self._lanes.link(asked.node) as link:
            if isinstance(asked, OpenTerminal):
                size = {"columns": asked.columns, "rows": asked.rows}
                script = _decoded(asked.script)
                async with link.terminal(script, term=asked.term, **size) as terminal:
                    await _while_there(_show(terminal, writer), _feed(reader, terminal))
                return
            both, unmarked = asked.both, asked.unmarked
            async with link.stream(_decoded(asked.script), both=both, unmarked=unmarked) as stream:
                await _while_there(
                    _Telling(stream, writer).all_of(both=both), _feed(reader, stream)
                )


class _Telling:
    """Sends a client what a script prints, as fast as it is taken there."""

    def __init__(self, stream: Stream, writer: asyncio.StreamWriter) -> None:
        self._stream = stream
        self._writer = writer
        self._stderr = b""

    async def all_of(self, *, both: bool) -> None:
        """To its end.

        :raises LinkError: it was broken off.
        :raises Broken: the client is gone.
        """
        beginning = asyncio.create_task(self._begin())
        try:
            await (self._both() if both else self._stdout())
            done = msgspec.msgpack.encode(Done(self._stream.exit_status))
            await frames.send(self._writer, frames.framed(frames.DONE, done))
        finally:
            beginning.cancel()
            await asyncio.gather(beginning, return_exceptions=True)

    async def _begin(self) -> None:
        try:
            await self._stream.begun()
        except ShellHung as error:
            said = msgspec.msgpack.encode(Failure.of(error))
            await frames.send(self._writer, frames.framed(frames.NOT_BEGUN, said))
        else:
            await frames.send(self._writer, frames.framed(frames.BEGUN))

    async def _both(self) -> None:
        while any(said := await self._stream.read_both()):
            output = frames.pieces(frames.OUTPUT, said[0])
            await frames.send(self._writer, output + frames.pieces(frames.ERRORS, said[1]))

    async def _stdout(self) -> None:
        try:
            while said := await self._stream.read():
                output = self._new_errors() + frames.pieces(frames.OUTPUT, said)
                await frames.send(self._writer, output)
        finally:
            self._writer.write(self._new_errors())

    def _new_errors(self) -> bytes:
        """A frame with the end of stderr, if there is more of it."""
        before, self._stderr = self._stderr, self._stream.stderr
        return b"" if self._stderr == before else frames.framed(frames.ERRORS, self._stderr)


async def _show(terminal: Terminal, writer: asyncio.StreamWriter) -> None:
    while said := await terminal.read():
        await frames.send(writer, frames.pieces(frames.OUTPUT, said))
    done = msgspec.msgpack.encode(Done(terminal.exit_status))
    await frames.send(writer, frames.framed(frames.DONE, done))


async def _feed(reader: asyncio.StreamReader, to: Stream | Terminal) -> None:
    """Give a script what its client writes; what it does not take, the client keeps.

    :raises Broken: the client is gone.
    """
    stream = cast(Stream, to)
    while True:
        kind, data = await frames.read(reader)
        if kind == frames.INPUT:
            to.write(data)
            if hasattr(to, "drain"):
                await stream.drain(_PATIENCE_S)
        elif kind == frames.END_OF_INPUT:
            stream.write_eof()
        elif kind == frames.RESIZE:
            size = msgspec.msgpack.decode(data, type=Size)
            cast(Terminal, to).resize(size.columns, size.rows)


async def _while_there(work: Coroutine[Any, Any, None], client: Coroutine[Any, Any, None]) -> None:
    """Run ``work`` to its end; ``client`` raises when there is nobody any more to do it for."""
    tasks = [asyncio.create_task(work), asyncio.create_task(client)]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        done = next(task for task in tasks if task.done())
        done.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _gone(reader: asyncio.StreamReader) -> None:
    """:raises Broken: the client is gone, or says what it may not."""
    await reader.read(1)
    raise frames.Broken("the client is gone")


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Plain bytes, to their end; raises where either side is gone."""
    while data := await reader.read(frames.PIECE):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


def _decoded(script: bytes) -> str:
    return script.decode("utf-8", "surrogateescape")
