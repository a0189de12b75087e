"""An open SSH connection: channels that run scripts, with flow control and deadlines."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Protocol

import asyncssh

from fleetctl.errors import LinkError, LinkHung, LinkLost, ShellHung
from fleetctl.link.protocol import (
    ANSWER_BYTES,
    SHELL_START_S,
    Completed,
    ForwardingForbidden,
    cut_off,
    cut_short,
)
from fleetctl.link.shell import ScriptOutput, Sent, command_line, sent

_CHANNELS = 8
# OpenSSH's MaxSessions allows 10 channels per connection; two are a reserve.
_WINDOW = 256 * 1024
_STREAM_BUFFER = 64 * 1024
# both together, for each channel, are all that a node can make this process hold
_STDERR_KEPT = 64 * 1024
_OPEN_TIMEOUT_S = 30.0
_REFUSED_PAUSE_S = 0.05


class _Channel(asyncssh.SSHClientSession[bytes]):
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


_SIGNALS = {"HUP": 1, "INT": 2, "QUIT": 3, "ILL": 4, "ABRT": 6, "FPE": 8, "KILL": 9, "SEGV": 11}
_SIGNALS |= {"PIPE": 13, "ALRM": 14, "TERM": 15}
# RFC 4254, section 6.10; without USR1 and USR2: their numbers differ between systems


class _SSHStream:
    """Implements Stream and Terminal of :mod:`fleetctl.link.protocol`."""

    def __init__(
        self, link: SSHLink, chan: asyncssh.SSHClientChannel[bytes], session: _Channel
    ) -> None:
        self._link = link
        self._node = link.node
        self._chan = chan
        self._session = session

    async def begun(self) -> None:
        await self._link.begin(self._session)

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
        _raise_if_lost(self._node, session)
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
            _raise_if_lost(self._node, session)
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


def _opening_deadline() -> float:
    return asyncio.get_running_loop().time() + _OPEN_TIMEOUT_S


def _raise_if_lost(node: str, session: _Channel) -> None:
    if session.broken is not None or session.status is None:
        raise LinkLost(
            node,
            f"the connection broke ({reason_of(session.broken)})",
            hint="What runs on the node runs on; ask again when it can be reached.",
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


class Closing(Protocol):
    """What a connection goes through."""

    async def close(self) -> None:
        """No longer use it; never raises."""


class SSHLink:
    """Implements :class:`fleetctl.link.protocol.Link`; opened by
    :class:`fleetctl.link.ssh.connect.Connector`."""

    def __init__(
        self,
        node: str,
        connection: asyncssh.SSHClientConnection,
        address: str | None,
        connect_ms: float,
        jump: Closing | None = None,
        *,
        target: str = "",
        ignored: tuple[str, ...] = (),
    ) -> None:
        self.node = node
        self.address = address
        self.connect_ms: float | None = connect_ms
        self.shell_s: float | None = None
        self.connection = connection
        self.target = target
        """How ssh's ``-J`` is told to go through it."""
        self.ignored = ignored
        self.via = ""
        self.bypassed = ""
        self.outdated = False
        self.carrying: tuple[tuple[str, str], ...] = ()
        """If it goes through another node by itself: the places that it crosses, as nodes and
        networks."""
        self._jump = jump
        self._used = 0
        self._channels = asyncio.Semaphore(_CHANNELS)

    @property
    def closed(self) -> bool:
        return self.connection.is_closed()

    @asynccontextmanager
    async def _channel(
        self,
        command: str,
        *,
        deadline: float,
        end: str = "",
        both: bool = False,
        most_bytes: int | None = None,
        **options: Any,
    ) -> AsyncIterator[tuple[asyncssh.SSHClientChannel[bytes], _Channel]]:
        session = _Channel(end, both, most_bytes)
        try:
            async with asyncio.timeout_at(deadline):
                await self._channels.acquire()
        except TimeoutError:
            raise LinkHung(self.node, f"all {_CHANNELS} channels are in use") from None
        self._used += 1
        try:
            chan = await self._open(session, command, deadline, options)
            try:
                yield chan, session
            finally:
                if not session.ended:
                    with suppress(asyncssh.Error, OSError):
                        chan.terminate()
                chan.close()
        finally:
            self._used -= 1
            self._channels.release()
            if self.outdated and not self._used:
                self.connection.close()

    async def _open(
        self, session: _Channel, command: str, deadline: float, options: Mapping[str, Any]
    ) -> asyncssh.SSHClientChannel[bytes]:
        """Open a channel. sshd refuses more than MaxSessions, and still counts sessions that have
        just ended, so after a refusal this tries again until ``deadline``."""
        why = "no channel was opened in time"
        try:
            async with asyncio.timeout_at(deadline):
                while True:
                    try:
                        chan, _ = await self.connection.create_session(
                            lambda: session, command, encoding=None, window=_WINDOW, **options
                        )
                    except asyncssh.ChannelOpenError as error:
                        if self.closed:
                            raise
                        why = f"sshd refuses another session on the connection ({error})"
                        await asyncio.sleep(_REFUSED_PAUSE_S)
                    else:
                        return chan
        except TimeoutError:
            raise LinkHung(
                self.node, why, hint="The node may be overloaded, or its sshd's MaxSessions low."
            ) from None
        except (asyncssh.Error, OSError) as error:
            raise LinkLost(self.node, f"the connection broke ({reason_of(error)})") from None

    async def run(
        self,
        script: str,
        *,
        stdin: bytes = b"",
        timeout_s: float,
        most_bytes: int = ANSWER_BYTES,
    ) -> Completed:
        deadline = asyncio.get_running_loop().time() + timeout_s
        session: _Channel | None = None
        how = sent(script)
        try:
            async with self._channel(
                how.line, end=how.end, most_bytes=most_bytes, deadline=deadline
            ) as (chan, session):
                with suppress(BrokenPipeError):  # a script need not read its stdin
                    if how.first or stdin:
                        chan.write(how.first + stdin)
                    chan.write_eof()
                await self.begin(session)
                async with asyncio.timeout(timeout_s):
                    await session.finished.wait()
        except TimeoutError:
            raise LinkHung(
                self.node,
                f"a command did not end within {timeout_s:g} s",
                hint="The node may be overloaded or its disk or network stuck.",
                output=bytes(session.buffer) if session else b"",
                errors=bytes(session.stderr) if session else b"",
            ) from None
        output, errors = bytes(session.buffer), bytes(session.stderr)
        if session.too_long:
            raise cut_short(self.node, most_bytes, output, errors)
        _raise_if_lost(self.node, session)
        assert session.status is not None
        if not session.noise.ended:
            raise cut_off(self.node, session.status, output, errors)
        return Completed(output, errors, session.status)

    async def begin(self, session: _Channel) -> None:
        """For a channel of it: wait until the login shell runs the script, or has ended without.

        :raises ShellHung: it does neither within :data:`SHELL_START_S`.
        """
        try:
            async with asyncio.timeout(SHELL_START_S):
                await session.begun.wait()
        except TimeoutError:
            raise ShellHung(
                self.node,
                f"the account's login shell ran no command within {SHELL_START_S:g} s",
                hint="A start-up file of the account there hangs or waits for input, or the node "
                "is overloaded.",
            ) from None
        if session.shell_s is not None:
            self.shell_s = min(session.shell_s, self.shell_s or session.shell_s)

    @asynccontextmanager
    async def stream(
        self, script: str, *, both: bool = False, unmarked: bool = False
    ) -> AsyncIterator[_SSHStream]:
        how = Sent(command_line(script)) if unmarked else sent(script)
        async with self._channel(
            how.line, end=how.end, both=both, deadline=_opening_deadline()
        ) as opened:
            stream = _SSHStream(self, *opened)
            stream.write(how.first)
            yield stream

    @asynccontextmanager
    async def terminal(
        self, script: str, *, term: str, columns: int, rows: int
    ) -> AsyncIterator[_SSHStream]:
        async with self._channel(
            command_line(script, terminal=True),
            deadline=_opening_deadline(),
            request_pty="force",
            term_type=term,
            term_size=(columns, rows),
        ) as opened:
            yield _SSHStream(self, *opened)

    async def open_connection(
        self, host: str, port: int, *, timeout_s: float
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            async with asyncio.timeout(timeout_s):
                # asyncssh's reader and writer have all the methods of asyncio's that are used
                return await self.connection.open_connection(host, port)  # type: ignore[return-value]
        except asyncssh.ChannelOpenError as error:
            if self.closed:
                raise LinkLost(self.node, f"the connection broke ({reason_of(error)})") from None
            if error.code == asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED:
                raise ForwardingForbidden(str(error)) from None
            raise ConnectionError(str(error)) from None
        except asyncssh.Error as error:
            raise LinkLost(self.node, f"the connection broke ({reason_of(error)})") from None

    async def retire(self) -> None:
        """There is a better link: end this one once nothing uses it any more."""
        self.outdated = True
        if not self._used:
            await self.close()

    async def close(self) -> None:
        self.connection.close()
        with suppress(asyncssh.Error, OSError, TimeoutError):
            async with asyncio.timeout(1):
                await self.connection.wait_closed()
        jump, self._jump = self._jump, None  # once, for others may use it
        if jump:
            await jump.close()
