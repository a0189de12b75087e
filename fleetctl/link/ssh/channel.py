"""One channel of an SSH connection: what comes and goes on it, with flow control."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import asyncssh

from fleetctl.errors import LinkError, LinkHung, LinkLost
from fleetctl.link.shell import ScriptOutput

_STREAM_BUFFER = 64 * 1024
# both together, for each channel, are all that a node can make this process hold
_STDERR_KEPT = 64 * 1024

_SIGNALS = {"HUP": 1, "INT": 2, "QUIT": 3, "ILL": 4, "ABRT": 6, "FPE": 8, "KILL": 9, "SEGV": 11}
_SIGNALS |= {"PIPE": 13, "ALRM": 14, "TERM": 15}
# RFC 4254, section 6.10; without USR1 and USR2: their numbers differ between systems


class Channel(asyncssh.SSHClientSession[bytes]):
    """The buffered output of one channel, with flow control.

    :param end: the token of its script's end mark; empty: there is none.
    :param both: whether stderr is read, and not only its end kept.
    :param most_bytes: more ends it; None: then the node has to wait until it is read.
    """

    def __init__(self, end: str, both: bool, most_bytes: int | None) -> None:
        self.buffer = bytearray()
        self.stderr = bytearray()
        self.noise = ScriptOutput(end)
        self.stderr_noise = ScriptOutput(end)
        self.arrived = asyncio.Event()
        self.finished = asyncio.Event()
        """The script has ended with its status, or the channel has, or it is too long."""
        self.begun = asyncio.Event()
        """The script runs, or never will."""
        self.shell_s: float | None = None
        """How long the login shell took until then."""
        self.writable = asyncio.Event()
        """Little waits to be sent, or nothing will be any more."""
        self.writable.set()
        self.ended = False
        self.broken: Exception | None = None
        self.both = both
        self.most_bytes = most_bytes
        self.too_long = False
        self.status: int | None = None
        self._chan: asyncssh.SSHClientChannel[bytes] | None = None
        self._paused = False

    def connection_made(self, chan: asyncssh.SSHClientChannel[bytes]) -> None:
        self._chan = chan
        self._made_s = time.monotonic()

    def data_received(self, data: bytes, datatype: int | None) -> None:
        if self.too_long:
            return
        if datatype is None:
            self.buffer += self.noise.feed(data)
            self.arrived.set()
        else:
            self.stderr += self.stderr_noise.feed(data)
            if self.both:
                self.arrived.set()
            elif self.most_bytes is None:
                del self.stderr[:-_STDERR_KEPT]
        self._limit(len(self.buffer) + len(self.stderr))
        self._finish()
        if not self.begun.is_set() and (self.noise.started or self.stderr_noise.started):
            self.shell_s = time.monotonic() - self._made_s
            self.begun.set()

    def _limit(self, waiting: int) -> None:
        if self.most_bytes is not None:
            if waiting > self.most_bytes:
                self.too_long = True
                self.finished.set()
        elif waiting > _STREAM_BUFFER and not self._paused:
            assert self._chan is not None
            self._paused = True
            self._chan.pause_reading()

    def _finish(self) -> None:
        if self.status is not None and self.noise.ended and self.stderr_noise.ended:
            self.finished.set()
            self.arrived.set()
            self.writable.set()

    def pause_writing(self) -> None:
        if not self.finished.is_set():
            self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def exit_status_received(self, status: int) -> None:
        self.status = status
        self._finish()

    def exit_signal_received(self, signal: str, core_dumped: bool, msg: str, lang: str) -> None:
        self.status = 128 + _SIGNALS.get(signal, 1)
        self._finish()

    def connection_lost(self, exc: Exception | None) -> None:
        self.buffer += self.noise.rest()
        self.stderr += self.stderr_noise.rest()
        self.ended, self.broken = True, exc
        self.arrived.set()
        self.begun.set()
        self.finished.set()
        self.writable.set()

    def take(self) -> bytes:
        data = bytes(self.buffer)
        self.buffer.clear()
        self.arrived.clear()
        if self._paused:
            assert self._chan is not None
            self._paused = False
            self._chan.resume_reading()
        return data


class SSHStream:
    """Implements Stream and Terminal of :mod:`fleetctl.link.protocol`."""

    def __init__(
        self,
        node: str,
        begin: Callable[[Channel], Awaitable[None]],
        chan: asyncssh.SSHClientChannel[bytes],
        session: Channel,
    ) -> None:
        """
        :param begin: waits until the login shell runs what was sent.
        """
        self._node = node
        self._begin = begin
        self._chan = chan
        self._session = session

    async def begun(self) -> None:
        await self._begin(self._session)

    async def read(self, timeout_s: float | None = None) -> bytes:
        session = self._session
        try:
            async with asyncio.timeout(timeout_s):
                while not session.buffer and not session.finished.is_set():
                    session.arrived.clear()
                    await session.arrived.wait()
        except TimeoutError:
            raise LinkHung(self._node, f"nothing came within {timeout_s:g} s") from None
        if session.buffer:
            return session.take()
        raise_if_lost(self._node, session)
        return b""

    async def read_both(self) -> tuple[bytes, bytes]:
        session = self._session
        while not (session.buffer or session.stderr or session.finished.is_set()):
            session.arrived.clear()
            await session.arrived.wait()
        errors = bytes(session.stderr)
        session.stderr.clear()
        data = session.take()
        if not (data or errors):
            raise_if_lost(self._node, session)
        return data, errors

    def write(self, data: bytes) -> None:
        with suppress(BrokenPipeError, OSError):
            self._chan.write(data)

    async def drain(self, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                await self._session.writable.wait()
        except TimeoutError:
            raise LinkHung(self._node, f"nothing was taken within {timeout_s:g} s") from None

    def write_eof(self) -> None:
        with suppress(BrokenPipeError, OSError):
            self._chan.write_eof()

    def resize(self, columns: int, rows: int) -> None:
        self._chan.change_terminal_size(columns, rows)

    @property
    def stderr(self) -> bytes:
        return bytes(self._session.stderr)

    @property
    def exit_status(self) -> int | None:
        return self._session.status


def raise_if_lost(node: str, session: Channel) -> None:
    if session.broken is not None or session.status is None:
        raise LinkLost(
            node,
            f"the connection broke ({reason_of(session.broken)})",
            hint="Whether what runs there goes on is not known; ask again when it is reached.",
        )
    if not session.noise.started:
        noise = session.noise.noise + session.stderr_noise.noise
        said = noise.decode("utf-8", "replace").strip()[-200:]
        raise LinkError(
            node,
            f"the login shell ended with status {session.status} before it ran the command"
            + (f", saying {said!r}" if said else ""),
            hint="Check the account's login shell and its start-up files.",
        )


def reason_of(error: BaseException | None) -> str:
    if error is None:
        return "closed by the node"
    return str(error) or type(error).__name__
