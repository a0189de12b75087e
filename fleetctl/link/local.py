"""The link to this machine itself: the same scripts, no SSH."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import signal
import struct
import termios
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from fleetctl.errors import LinkHung, LinkLost
from fleetctl.link.groups import end_group, start_group
from fleetctl.link.protocol import ANSWER_BYTES, Completed, cut_off, cut_short
from fleetctl.link.readiness import readable
from fleetctl.link.shell import (
    NoiseFilter,
    ScriptOutput,
    Sent,
    command_line,
    local_argv,
    sent,
)

_CHUNK = 256 * 1024
_STDERR_KEPT = 64 * 1024
_QUEUED = 8
"""Chunks that wait to be read; then the script's writing waits."""


def _status(returncode: int) -> int:
    return returncode if returncode >= 0 else 128 - returncode


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a script and what it has started; it may clean up."""
    await end_group(process, signal.SIGTERM, signal.SIGKILL)


async def _feed(pipe: asyncio.StreamWriter, data: bytes) -> None:
    with suppress(BrokenPipeError, ConnectionResetError):  # a script need not read its stdin
        pipe.write(data)
        await pipe.drain()
        pipe.close()


class _TooLong(Exception):
    """More was printed than is read."""


class _Collected:
    """What a script prints, up to ``most_bytes`` on stdout and stderr together."""

    def __init__(self, end: str, most_bytes: int) -> None:
        self._outputs = ScriptOutput(end), ScriptOutput(end)
        self._data = bytearray(), bytearray()
        self._most_bytes = most_bytes

    async def collect(self, pipe: asyncio.StreamReader, which: int) -> None:
        """Read until the end mark, or the end.

        :raises _TooLong: it is more.
        """
        output, into = self._outputs[which], self._data[which]
        while not output.ended and (data := await pipe.read(_CHUNK)):
            into += output.feed(data)
            if sum(map(len, self._data)) > self._most_bytes:
                raise _TooLong
        into += output.rest()

    @property
    def said(self) -> tuple[bytes, bytes]:
        """Stdout and stderr so far."""
        return bytes(self._data[0]), bytes(self._data[1])

    @property
    def whole(self) -> bool:
        """The end mark came."""
        return self._outputs[0].ended


def _let_go(process: asyncio.subprocess.Process) -> None:
    """Close the pipes of a script that has ended: what it left behind may hold them open."""
    process._transport.close()  # type: ignore[attr-defined]  # asyncio has no other way


class _LocalStream:
    def __init__(
        self,
        node: str,
        process: asyncio.subprocess.Process,
        *,
        both: bool = False,
        mark: str = "",
    ) -> None:
        self._node = node
        self._process = process
        self._noise = ScriptOutput(mark)
        self._stderr_noise = ScriptOutput(mark)
        self._stderr = bytearray()
        self._said: asyncio.Queue[tuple[bytes, bytes]] = asyncio.Queue(_QUEUED)
        """For :meth:`read_both`: some of stdout and some of stderr; at the end neither."""
        collect = self._collect_both() if both else self._collect_stderr()
        self._collector = asyncio.create_task(collect)

    async def _collect_both(self) -> None:
        async def stdout() -> None:
            assert self._process.stdout is not None
            while not self._noise.ended and (data := await self._process.stdout.read(_CHUNK)):
                if mine := self._noise.feed(data):
                    await self._said.put((mine, b""))

        async def stderr() -> None:
            assert self._process.stderr is not None
            noise, pipe = self._stderr_noise, self._process.stderr
            while not noise.ended and (data := await pipe.read(_CHUNK)):
                if mine := noise.feed(data):
                    await self._said.put((b"", mine))

        await asyncio.gather(stdout(), stderr(), self._process.wait())
        if any(rest := (self._noise.rest(), self._stderr_noise.rest())):
            await self._said.put(rest)
        await self._said.put((b"", b""))

    async def read_both(self) -> tuple[bytes, bytes]:
        return await self._said.get()

    async def _collect_stderr(self) -> None:
        assert self._process.stderr is not None
        noise, pipe = self._stderr_noise, self._process.stderr
        while not noise.ended and (data := await pipe.read(_CHUNK)):
            self._stderr += noise.feed(data)
            del self._stderr[:-_STDERR_KEPT]
        self._stderr += noise.rest()

    async def begun(self) -> None:
        """There is no login shell in between."""

    async def read(self, timeout_s: float | None = None) -> bytes:
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(timeout_s):
                noise, pipe = self._noise, self._process.stdout
                while not noise.ended and (data := await pipe.read(_CHUNK)):
                    if mine := noise.feed(data):
                        return mine
                await self._process.wait()
                await self._collector
                return noise.rest()
        except TimeoutError:
            raise LinkHung(self._node, f"nothing came within {timeout_s:g} s") from None

    def write(self, data: bytes) -> None:
        assert self._process.stdin is not None
        if not self._process.stdin.is_closing():  # else asyncio logs what is dropped
            with suppress(BrokenPipeError, ConnectionResetError):
                self._process.stdin.write(data)

    async def drain(self, timeout_s: float) -> None:
        assert self._process.stdin is not None
        try:
            async with asyncio.timeout(timeout_s):
                await self._process.stdin.drain()
        except (BrokenPipeError, ConnectionResetError):  # it has ended, or reads no more
            pass
        except TimeoutError:
            raise LinkHung(self._node, f"nothing was taken within {timeout_s:g} s") from None

    def write_eof(self) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError, ConnectionResetError):
            self._process.stdin.close()

    @property
    def stderr(self) -> bytes:
        return bytes(self._stderr)

    @property
    def exit_status(self) -> int | None:
        code = self._process.returncode
        return None if code is None else _status(code)

    async def end(self) -> None:
        self.write_eof()
        await _end(self._process)
        self._collector.cancel()
        with suppress(asyncio.CancelledError):
            await self._collector
        _let_go(self._process)


class _LocalTerminal:
    def __init__(self, process: asyncio.subprocess.Process, fd: int) -> None:
        self._process = process
        self._fd = fd
        self._noise = NoiseFilter()
        self._typed = bytearray()
        os.set_blocking(fd, False)

    async def read(self) -> bytes:
        while True:
            await readable(self._fd)
            try:
                data = os.read(self._fd, _CHUNK)
            except BlockingIOError:
                continue
            except OSError:  # EIO on Linux: the other side of the pty is closed
                data = b""
            if not data:
                await self._process.wait()
                return b""
            if mine := self._noise.feed(data):
                return mine

    def write(self, data: bytes) -> None:
        self._typed += data
        self._type()

    def _type(self) -> None:
        """Write what the terminal accepts now, and the rest when it accepts more."""
        loop = asyncio.get_running_loop()
        try:
            del self._typed[: os.write(self._fd, self._typed)]
        except BlockingIOError:
            pass
        except OSError:  # the other side is closed
            self._typed.clear()
        if self._typed:
            loop.add_writer(self._fd, self._type)
        else:
            loop.remove_writer(self._fd)

    def stop_typing(self) -> None:
        """To be called before the file descriptor is closed."""
        asyncio.get_running_loop().remove_writer(self._fd)

    def resize(self, columns: int, rows: int) -> None:
        _set_size(self._fd, columns, rows)

    @property
    def exit_status(self) -> int | None:
        code = self._process.returncode
        return None if code is None else _status(code)


def _set_size(fd: int, columns: int, rows: int) -> None:
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


class LocalLink:
    """Implements :class:`fleetctl.link.protocol.Link` with processes of this machine."""

    def __init__(self, node: str) -> None:
        self.node = node
        self.address: str | None = None
        self.connect_ms: float | None = None
        self.shell_s: float | None = None
        self.ignored: tuple[str, ...] = ()
        self.via = self.bypassed = ""
        self.outdated = False
        self.closed = False

    def _argv(self, line: str) -> Sequence[str]:
        """The arguments that run a line of a login shell."""
        return "/bin/sh", "-c", line

    async def _spawn(self, argv: Sequence[str]) -> asyncio.subprocess.Process:
        try:
            return await start_group(  # so that Ctrl-C interrupts only fleetctl
                *argv,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                cwd=Path.home(),  # as over SSH
            )
        except OSError as error:
            raise LinkLost(self.node, f"cannot start a shell on this machine: {error}") from None

    async def run(
        self,
        script: str,
        *,
        stdin: bytes = b"",
        timeout_s: float,
        most_bytes: int = ANSWER_BYTES,
    ) -> Completed:
        how = sent(script)
        process = await self._spawn(self._argv(how.line))
        assert process.stdin and process.stdout and process.stderr
        found = _Collected(how.end, most_bytes)
        try:
            async with asyncio.timeout(timeout_s), asyncio.TaskGroup() as work:
                work.create_task(_feed(process.stdin, how.first + stdin))
                work.create_task(found.collect(process.stdout, 0))
                work.create_task(found.collect(process.stderr, 1))
                work.create_task(process.wait())
        except TimeoutError:
            output, errors = found.said
            raise LinkHung(
                self.node,
                f"a command did not end within {timeout_s:g} s",
                output=output,
                errors=errors,
            ) from None
        except ExceptionGroup as group:
            if group.subgroup(_TooLong) is None:
                raise
            raise cut_short(self.node, most_bytes, *found.said) from None
        finally:
            await _end(process)
            _let_go(process)
        assert process.returncode is not None
        status = _status(process.returncode)
        if not found.whole:
            raise cut_off(self.node, status, *found.said)
        return Completed(*found.said, status)

    @asynccontextmanager
    async def stream(
        self, script: str, *, both: bool = False, unmarked: bool = False
    ) -> AsyncIterator[_LocalStream]:
        how = Sent(command_line(script)) if unmarked else sent(script)
        process = await self._spawn(self._argv(how.line))
        stream = _LocalStream(self.node, process, both=both, mark=how.end)
        stream.write(how.first)
        try:
            yield stream
        finally:
            await stream.end()

    @asynccontextmanager
    async def terminal(
        self, script: str, *, term: str, columns: int, rows: int
    ) -> AsyncIterator[_LocalTerminal]:
        controller, follower = pty.openpty()
        _set_size(controller, columns, rows)  # before anything can ask for it
        env = {k: v for k, v in os.environ.items() if k not in ("TMUX", "TMUX_PANE")}
        try:
            process = await start_group(
                *local_argv(script, terminal=True),
                stdin=follower,
                stdout=follower,
                stderr=follower,
                env={**env, "TERM": term},
                cwd=Path.home(),  # as over SSH
                preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            )
            os.close(follower)
            terminal = _LocalTerminal(process, controller)
            try:
                yield terminal
            finally:
                terminal.stop_typing()
                await _end(process)
        finally:
            os.close(controller)

    async def open_connection(
        self, host: str, port: int, *, timeout_s: float
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with asyncio.timeout(timeout_s):
            return await asyncio.open_connection(host, port)

    async def close(self) -> None:
        """Nothing to end."""
