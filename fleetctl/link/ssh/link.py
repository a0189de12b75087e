"""An open SSH connection: scripts, streams and terminals on its channels, with deadlines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Protocol

import asyncssh

from fleetctl.errors import LinkHung, LinkLost, ShellHung
from fleetctl.link.protocol import (
    ANSWER_BYTES,
    SHELL_START_S,
    Completed,
    ForwardingForbidden,
    cut_off,
    cut_short,
)
from fleetctl.link.shell import Sent, command_line, sent
from fleetctl.link.ssh.channel import Channel, SSHStream, raise_if_lost, reason_of

_CHANNELS = 8
# OpenSSH's MaxSessions allows 10 channels per connection; two are a reserve.
_WINDOW = 256 * 1024
_OPEN_TIMEOUT_S = 30.0
_REFUSED_PAUSE_S = 0.05


def _opening_deadline() -> float:
    return asyncio.get_running_loop().time() + _OPEN_TIMEOUT_S


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
        self._client = connection.get_owner()
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

    def _lost(self, error: Exception) -> LinkLost:
        """The error for all who use a connection that has ended, with what ended it."""
        # to what opens a channel meanwhile, asyncssh says only that the connection is closed
        ended_by = getattr(self._client, "lost", None) or error
        return LinkLost(self.node, f"the connection broke ({reason_of(ended_by)})")

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
    ) -> AsyncIterator[tuple[asyncssh.SSHClientChannel[bytes], Channel]]:
        session = Channel(end, both, most_bytes)
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
        self, session: Channel, command: str, deadline: float, options: Mapping[str, Any]
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
            raise self._lost(error) from None

    async def run(
        self,
        script: str,
        *,
        stdin: bytes = b"",
        timeout_s: float,
        most_bytes: int = ANSWER_BYTES,
    ) -> Completed:
        deadline = asyncio.get_running_loop().time() + timeout_s
        session: Channel | None = None
        how = sent(script)
        try:
            async with self._channel(
                how.line, end=how.end, most_bytes=most_bytes, deadline=deadline
            ) as (chan, session):
                with suppress(BrokenPipeError):  # a script need not read its stdin
                    if how.first or stdin:
                        chan.write(how.first + stdin)
                    chan.write_eof()
                await self._begin(session)
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
        raise_if_lost(self.node, session)
        assert session.status is not None
        if not session.noise.ended:
            raise cut_off(self.node, session.status, output, errors)
        return Completed(output, errors, session.status)

    async def _begin(self, session: Channel) -> None:
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
    ) -> AsyncIterator[SSHStream]:
        how = Sent(command_line(script)) if unmarked else sent(script)
        async with self._channel(
            how.line, end=how.end, both=both, deadline=_opening_deadline()
        ) as opened:
            stream = SSHStream(self.node, self._begin, *opened)
            stream.write(how.first)
            yield stream

    @asynccontextmanager
    async def terminal(
        self, script: str, *, term: str, columns: int, rows: int
    ) -> AsyncIterator[SSHStream]:
        async with self._channel(
            command_line(script, terminal=True),
            deadline=_opening_deadline(),
            request_pty="force",
            term_type=term,
            term_size=(columns, rows),
        ) as opened:
            yield SSHStream(self.node, self._begin, *opened)

    async def open_connection(
        self, host: str, port: int, *, timeout_s: float
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            async with asyncio.timeout(timeout_s):
                # asyncssh's reader and writer have all the methods of asyncio's that are used
                return await self.connection.open_connection(host, port)  # type: ignore[return-value]
        except asyncssh.ChannelOpenError as error:
            if self.closed:
                raise self._lost(error) from None
            if error.code == asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED:
                raise ForwardingForbidden(str(error)) from None
            raise ConnectionError(str(error)) from None
        except asyncssh.Error as error:
            raise self._lost(error) from None

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
