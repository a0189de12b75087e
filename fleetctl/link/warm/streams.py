"""A script that a server runs on a node, while its output is read here."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Protocol, Self

import msgspec

from fleetctl.errors import LinkHung, LinkLost
from fleetctl.link.protocol import SHELL_START_S
from fleetctl.link.warm import frames
from fleetctl.link.warm.messages import Done, Size

_KEPT = 64 * 1024
"""Bytes that wait to be read here; then the server has to wait, and with it the node."""
_CHANNEL_S = 45.0
"""How long the server may wait for a channel."""
BEGIN_S = SHELL_START_S + _CHANNEL_S
"""Until then the script must run, by the server's word."""


class _Telling(Protocol):
    """The link of a stream."""

    node: str

    def broken(self, why: str) -> LinkLost: ...

    def failed(self, said: bytes) -> Exception: ...


class WarmStream:
    """Implements Stream and Terminal of :mod:`fleetctl.link.protocol`. Leaving the context closes
    the connection, by which the server ends the script."""

    def __init__(
        self,
        link: _Telling,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        both: bool,
    ) -> None:
        self._link = link
        self._reader = reader
        self._writer = writer
        self._both = both
        self._output = bytearray()
        self._errors = bytearray()
        self._arrived = asyncio.Event()
        self._taken = asyncio.Event()
        self._started = asyncio.Event()
        """The script runs, or never will."""
        self._over = asyncio.Event()
        self._not_begun: Exception | None = None
        self._failure: Exception | None = None
        self._status: int | None = None
        self._pump = asyncio.create_task(self._take())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()
        self._pump.cancel()
        await asyncio.gather(self._pump, return_exceptions=True)

    async def _take(self) -> None:
        """Take what comes, as long as what came is read."""
        try:
            while not self._over.is_set():
                self._take_one(*await frames.read(self._reader))
                self._arrived.set()
                while len(self._output) + self._both * len(self._errors) > _KEPT:
                    self._taken.clear()
                    await self._taken.wait()
        except frames.Broken as error:
            self._failure = self._link.broken(str(error))
        finally:
            for event in (self._over, self._started, self._arrived):
                event.set()

    def _take_one(self, kind: bytes, said: bytes) -> None:
        match kind:
            case frames.OUTPUT:
                self._output += said
            case frames.ERRORS if self._both:
                self._errors += said
            case frames.ERRORS:
                self._errors[:] = said
            case frames.BEGUN:
                self._started.set()
            case frames.NOT_BEGUN:
                self._not_begun = self._link.failed(said)
                self._started.set()
            case frames.DONE:
                self._status = msgspec.msgpack.decode(said, type=Done).exit_status
                self._over.set()
            case frames.FAILED:
                self._failure = self._link.failed(said)
                self._over.set()
            case _:
                self._failure = self._link.broken(said.decode("utf-8", "replace"))
                self._over.set()

    async def begun(self) -> None:
        try:
            async with asyncio.timeout(BEGIN_S):
                await self._started.wait()
        except TimeoutError:
            raise LinkHung(
                self._link.node,
                f"fleetctl serve did not begin it within {BEGIN_S:g} s",
                hint="End that process; the next command connects by itself.",
            ) from None
        if self._not_begun:
            raise self._not_begun

    async def read(self, timeout_s: float | None = None) -> bytes:
        try:
            async with asyncio.timeout(timeout_s):
                while not (self._output or self._over.is_set()):
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            raise LinkHung(self._link.node, f"nothing came within {timeout_s:g} s") from None
        return self._next()[0]

    async def read_both(self) -> tuple[bytes, bytes]:
        while not (self._output or self._errors or self._over.is_set()):
            self._arrived.clear()
            await self._arrived.wait()
        return self._next(errors=True)

    def _next(self, *, errors: bool = False) -> tuple[bytes, bytes]:
        output, said = bytes(self._output), bytes(self._errors) if errors else b""
        self._output.clear()
        if errors:
            self._errors.clear()
        self._taken.set()
        if not (output or said) and self._failure:
            raise self._failure
        return output, said

    def write(self, data: bytes) -> None:
        self._send(frames.pieces(frames.INPUT, data))

    def _send(self, data: bytes) -> None:
        if not self._writer.is_closing():
            with suppress(OSError, RuntimeError):
                self._writer.write(data)

    async def drain(self, timeout_s: float) -> None:
        draining = asyncio.create_task(self._drained())
        over = asyncio.create_task(self._over.wait())
        try:
            done, _ = await asyncio.wait(
                (draining, over), timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            draining.cancel()
            over.cancel()
        if not done:
            raise LinkHung(self._link.node, f"nothing was taken within {timeout_s:g} s")

    async def _drained(self) -> None:
        with suppress(OSError):
            await self._writer.drain()

    def write_eof(self) -> None:
        self._send(frames.framed(frames.END_OF_INPUT))

    def resize(self, columns: int, rows: int) -> None:
        self._send(frames.framed(frames.RESIZE, msgspec.msgpack.encode(Size(columns, rows))))

    @property
    def stderr(self) -> bytes:
        return bytes(self._errors)

    @property
    def exit_status(self) -> int | None:
        return self._status
