"""One SSH session: a shell command as this user, with pipes or a terminal.

As with OpenSSH's server, the channel stays open until the command has ended and its output was
sent; when the client disconnects, the pipes are closed or the terminal is hung up, and nothing is
killed.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import struct
import termios
from collections.abc import Mapping
from contextlib import suppress
from typing import cast

import asyncssh

_CHUNK = 65536
_TYPED_MAX = 65536


class Session(asyncssh.SSHServerSession[bytes]):
    """A session on one node.

    :param environment: of every command on the node; ``HOME`` is its working directory.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self._argv: list[str] = ["/bin/sh", "-l"]
        self._size = (80, 24, 0, 0)
        self._terminal = False
        self._running: _Piped | _OnTerminal | None = None
        self._early = bytearray()
        self._ended_early = False
        self._starting: asyncio.Task[None] | None = None

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._chan = chan

    def pty_requested(
        self, term_type: str, term_size: tuple[int, int, int, int], term_modes: Mapping[int, int]
    ) -> bool:
        self._terminal, self._size = True, term_size
        self._environment["TERM"] = term_type
        return True

    def shell_requested(self) -> bool:
        return True

    def exec_requested(self, command: str) -> bool:
        self._argv = ["/bin/sh", "-c", command]
        return True

    def session_started(self) -> None:
        self._starting = asyncio.create_task(self._start())

    async def _start(self) -> None:
        kind = _OnTerminal if self._terminal else _Piped
        running = kind(self._chan)
        try:
            await running.start(self._argv, self._environment, self._size)
        except (OSError, ValueError) as error:  # no more processes; a zero byte in the command
            self._chan.write_stderr(f"cannot start a shell: {error}\n".encode())
            self._chan.exit(255)
            return
        self._running = running
        if self._early:
            running.feed(bytes(self._early))
        if self._ended_early:
            running.end_input()
        if self._chan.is_closing():
            running.hang_up()

    def data_received(self, data: bytes, datatype: int | None) -> None:
        if self._running:
            self._running.feed(data)
        else:
            self._early += data

    def eof_received(self) -> bool:
        if self._running:
            self._running.end_input()
        else:
            self._ended_early = True
        return True  # the command may still write

    def signal_received(self, signal: str) -> None:
        if self._running:
            self._running.send_signal(signal)

    def terminal_size_changed(self, width: int, height: int, pixwidth: int, pixheight: int) -> None:
        self._size = (width, height, pixwidth, pixheight)
        if isinstance(self._running, _OnTerminal):
            self._running.resize(self._size)

    def pause_writing(self) -> None:
        if self._running:
            self._running.hold(True)

    def resume_writing(self) -> None:
        if self._running:
            self._running.hold(False)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._running:
            self._running.hang_up()


def _finish(chan: asyncssh.SSHServerChannel[bytes], returncode: int) -> None:
    if chan.is_closing():
        return
    with suppress(OSError):
        if returncode < 0:
            chan.exit_with_signal(signal.Signals(-returncode).name.removeprefix("SIG"))
        else:
            chan.exit(returncode)


def _signal_group(pid: int, name: str) -> None:
    """Send a signal to the process group of the command."""
    number = getattr(signal, f"SIG{name}", None)
    if number is not None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, number)


class _Piped(asyncio.SubprocessProtocol):
    """A command with three pipes."""

    def __init__(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._chan = chan
        self._exited = False

    async def start(
        self, argv: list[str], environment: Mapping[str, str], _size: tuple[int, int, int, int]
    ) -> None:
        transport, _ = await asyncio.get_running_loop().subprocess_exec(
            lambda: self,
            *argv,
            env=dict(environment),
            cwd=environment["HOME"],
            start_new_session=True,
        )
        self._transport = transport

    def _pipe(self, fd: int) -> asyncio.BaseTransport | None:
        return self._transport.get_pipe_transport(fd)

    def feed(self, data: bytes) -> None:
        pipe = cast(asyncio.WriteTransport | None, self._pipe(0))
        if pipe is not None and not pipe.is_closing():
            pipe.write(data)

    def end_input(self) -> None:
        pipe = cast(asyncio.WriteTransport | None, self._pipe(0))
        if pipe is not None and not pipe.is_closing():
            pipe.write_eof()

    def send_signal(self, name: str) -> None:
        if not self._exited:
            _signal_group(self._transport.get_pid(), name)

    def hold(self, on: bool) -> None:
        for fd in (1, 2):
            pipe = cast(asyncio.ReadTransport | None, self._pipe(fd))
            if pipe is not None and not pipe.is_closing():
                (pipe.pause_reading if on else pipe.resume_reading)()

    def hang_up(self) -> None:
        for fd in (0, 1, 2):
            pipe = self._pipe(fd)
            if pipe is not None:
                pipe.close()

    # -- callbacks of asyncio

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        with suppress(OSError):  # the client is gone
            if fd == 2:
                self._chan.write_stderr(data)
            else:
                self._chan.write(data)

    def pause_writing(self) -> None:
        self._chan.pause_reading()

    def resume_writing(self) -> None:
        # Not at once: asyncio's pipe loses data that is written and ended within this call
        # (_UnixWritePipeTransport._write_ready closes it without checking its buffer again).
        asyncio.get_running_loop().call_soon(self._chan.resume_reading)

    def process_exited(self) -> None:
        self._exited = True

    def connection_lost(self, exc: Exception | None) -> None:
        """The command has ended, and all processes with its output have closed it."""
        _finish(self._chan, self._transport.get_returncode() or 0)


class _OnTerminal:
    """A command on a terminal of its own."""

    def __init__(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._chan = chan
        self._typed = bytearray()
        self._fd = -1
        self._reading = False

    async def start(
        self, argv: list[str], environment: Mapping[str, str], size: tuple[int, int, int, int]
    ) -> None:
        self._fd, follower = os.openpty()
        os.set_blocking(self._fd, False)
        self.resize(size)
        try:
            self._process = await asyncio.create_subprocess_exec(
                *argv,
                env=dict(environment),
                cwd=environment["HOME"],
                stdin=follower,
                stdout=follower,
                stderr=follower,
                start_new_session=True,
                preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            )
        except BaseException:
            self.hang_up()
            raise
        finally:
            os.close(follower)
        self.hold(False)
        self._waiting = asyncio.create_task(self._wait())

    async def _wait(self) -> None:
        code = await self._process.wait()
        while self._read():  # the rest of its output
            pass
        self.hang_up()
        _finish(self._chan, code)

    def feed(self, data: bytes) -> None:
        self._typed += data
        if len(self._typed) > _TYPED_MAX:
            self._chan.pause_reading()
        self._type()

    def end_input(self) -> None:
        """Nothing to do: a terminal's input ends only by a key."""

    def _type(self) -> None:
        if self._fd < 0:
            return
        loop = asyncio.get_running_loop()
        try:
            del self._typed[: os.write(self._fd, self._typed)]
        except BlockingIOError:
            pass
        except OSError:  # the other side of the pty is closed
            self._typed.clear()
        if self._typed:
            loop.add_writer(self._fd, self._type)
        else:
            loop.remove_writer(self._fd)
            self._chan.resume_reading()

    def send_signal(self, name: str) -> None:
        if self._process.returncode is None:
            _signal_group(self._process.pid, name)

    def resize(self, size: tuple[int, int, int, int]) -> None:
        if self._fd >= 0:
            columns, rows, width, height = size
            packed = struct.pack("HHHH", rows, columns, width, height)
            fcntl.ioctl(self._fd, termios.TIOCSWINSZ, packed)

    def hold(self, on: bool) -> None:
        loop = asyncio.get_running_loop()
        if self._fd >= 0 and on == self._reading:
            self._reading = not on
            if on:
                loop.remove_reader(self._fd)
            else:
                loop.add_reader(self._fd, self._read)

    def _read(self) -> bool:
        """Send available output; returns whether there was any."""
        if self._fd < 0:
            return False
        try:
            data = os.read(self._fd, _CHUNK)
        except BlockingIOError:
            return False
        except OSError:  # Linux answers EIO when the other side of a pty is gone
            data = b""
        if not data:
            self.hold(True)
        with suppress(OSError):  # the client is gone
            self._chan.write(data)
        return bool(data)

    def hang_up(self) -> None:
        """Close the terminal: its session gets SIGHUP, as when a connection is lost."""
        if self._fd >= 0:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._fd)
            loop.remove_writer(self._fd)
            os.close(self._fd)
            self._fd = -1
