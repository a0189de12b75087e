"""What every link can do, whatever carries it."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from msgspec import Struct


class Completed(Struct, frozen=True):
    """What a script that ended left: its output without the login shell's noise."""

    stdout: bytes
    stderr: bytes
    exit_status: int
    """0 to 255; 128 + N when signal N ended it."""

    @property
    def text(self) -> str:
        return self.stdout.decode("utf-8", "replace")

    @property
    def error_text(self) -> str:
        return self.stderr.decode("utf-8", "replace").strip()


class Stream(Protocol):
    """A script that runs on the node while its output is read.

    Its stdin stays open until :meth:`write_eof` or the end of the context: a script that waits on
    stdin (``cat >/dev/null``) so learns that nobody listens any more, and leaves no orphan.
    """

    async def read(self, timeout_s: float | None = None) -> bytes:
        """The next bytes of stdout; empty at its end.

        :raises LinkLost: the connection broke.
        :raises LinkHung: nothing came within ``timeout_s`` seconds.
        """

    def write(self, data: bytes) -> None:
        """Send ``data`` to the script's stdin."""

    def write_eof(self) -> None:
        """Close the script's stdin."""

    @property
    def stderr(self) -> bytes:
        """What came on stderr so far."""

    @property
    def exit_status(self) -> int | None:
        """As in :class:`Completed`; ``None`` while it runs."""


class Terminal(Protocol):
    """A script that runs on the node with a terminal of its own."""

    async def read(self) -> bytes:
        """The next bytes for the screen; empty when the script has ended."""

    def write(self, data: bytes) -> None:
        """Send typed bytes."""

    def resize(self, columns: int, rows: int) -> None:
        """Tell the script its window's new size, in character cells."""

    @property
    def exit_status(self) -> int | None:
        """As in :class:`Completed`; ``None`` while it runs."""


class Link(Protocol):
    """One node, ready to be talked to. Every method raises :class:`~fleetctl.errors.LinkError`."""

    node: str
    """The node's name in nodes.yaml."""
    address: str | None
    """The address the connection goes to; ``None`` on this machine."""
    connect_ms: float | None
    """How long connecting took, from the first packet to the accepted key."""

    @property
    def closed(self) -> bool:
        """Whether the connection is gone; a new one must be opened."""

    async def run(self, script: str, *, stdin: bytes = b"", timeout_s: float) -> Completed:
        """Run a POSIX sh script to its end.

        :param script: goes to ``sh`` as it is; see :mod:`fleetctl.link.shell` for quoting.
        :param stdin: what the script reads; the way for secrets, which must never be arguments.
        :param timeout_s: seconds until it is given up (its channel is closed, TERM sent).
        :raises LinkHung: it did not end in time.
        :raises LinkLost: the connection broke first.
        """

    def stream(self, script: str) -> AbstractAsyncContextManager[Stream]:
        """Run a script and read its output as it comes; leaving the context ends the channel."""

    def terminal(
        self, script: str, *, term: str, columns: int, rows: int
    ) -> AbstractAsyncContextManager[Terminal]:
        """Run a script on a terminal of type ``term``."""

    async def open_connection(
        self, host: str, port: int, *, timeout_s: float
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A TCP connection made by the node itself, for ready conditions that ask for one.

        :raises OSError: the node could not connect.
        """

    async def close(self) -> None:
        """End the connection; never raises."""
