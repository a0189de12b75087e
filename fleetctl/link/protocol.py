"""The interface of a link to a node, over SSH or local."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from msgspec import Struct

from fleetctl.errors import AnswerCut
from fleetctl.quantities import size

SHELL_START_S = 20.0
"""How long a login shell may take until it runs a script. On a slow disk, version managers in
start-up files take ten seconds and more."""


ANSWER_BYTES = 2 * 1024 * 1024
"""The most that is read of what a script prints, unless more is asked for."""


def cut_short(node: str, most_bytes: int, output: bytes, errors: bytes) -> AnswerCut:
    """The error for a script that prints more than is read."""
    return AnswerCut(
        node,
        f"it sent more than {size(most_bytes)} in answer to one question; the rest was cut off",
        hint="A start-up file of the account or a program there prints without end.",
        output=output,
        errors=errors,
    )


def cut_off(node: str, status: int, output: bytes, errors: bytes) -> AnswerCut:
    """The error for a shell that ended with ``status`` before its script."""
    last = errors.decode("utf-8", "replace").strip().splitlines()[-1:]
    said = f", saying {last[0][-200:]!r}" if last else ""
    return AnswerCut(
        node,
        f"the shell there ended with status {status} in the midst of a command{said}",
        hint="Its memory or processes may be used up, or somebody ended it.",
        output=output,
        errors=errors,
    )


class ForwardingForbidden(ConnectionError):
    """The node's SSH server forbids TCP forwarding: nothing is known of what was to be reached."""


class Completed(Struct, frozen=True):
    """The result of a script: its output, without what the login shell printed before it."""

    stdout: bytes
    stderr: bytes
    exit_status: int
    """0 to 255; 128 + N if signal N ended it."""

    @property
    def text(self) -> str:
        return self.stdout.decode("utf-8", "replace")

    @property
    def error_text(self) -> str:
        return self.stderr.decode("utf-8", "replace").strip()


class Stream(Protocol):
    """A script that runs on the node while its output is read.

    Its stdin is closed by :meth:`write_eof`, by the end of the context, and by a lost connection: a
    script that waits for that (``cat >/dev/null``) leaves no orphan.
    """

    async def begun(self) -> None:
        """Return once the script runs; the login shell before it has :data:`SHELL_START_S`.

        :raises ShellHung: it does not within that time.
        """

    async def read(self, timeout_s: float | None = None) -> bytes:
        """The next bytes of stdout; empty at its end.

        :raises LinkLost: the connection broke.
        :raises LinkHung: nothing came within ``timeout_s`` seconds.
        """

    async def read_both(self) -> tuple[bytes, bytes]:
        """The next bytes of stdout and of stderr, of one of them at least; both are empty at the
        end. For a stream that was opened with ``both``.

        :raises LinkLost: the connection broke.
        """

    def write(self, data: bytes) -> None:
        """Send ``data`` to the script's stdin."""

    async def drain(self, timeout_s: float) -> None:
        """Return when little of what was written still waits here, or the script has ended.

        :raises LinkHung: the node takes nothing for ``timeout_s`` seconds.
        """

    def write_eof(self) -> None:
        """Close the script's stdin."""

    @property
    def stderr(self) -> bytes:
        """The end of the stderr so far; with ``both``, what :meth:`read_both` has not read."""

    @property
    def exit_status(self) -> int | None:
        """As in :class:`Completed`; ``None`` while it runs."""


class Terminal(Protocol):
    """A script that runs on the node with its own terminal."""

    async def read(self) -> bytes:
        """The next bytes for the screen; empty once the script has ended."""

    def write(self, data: bytes) -> None:
        """Send typed bytes."""

    def resize(self, columns: int, rows: int) -> None:
        """Set the terminal's new size, in character cells."""

    @property
    def exit_status(self) -> int | None:
        """As in :class:`Completed`; ``None`` while it runs."""


class Link(Protocol):
    """A connection to one node. Every method raises :class:`~fleetctl.errors.LinkError`."""

    node: str
    """The node's name in nodes.yaml."""
    address: str | None
    """The address of the other end; ``None``: this machine."""
    connect_ms: float | None
    """How long connecting took, from the first packet to the accepted key."""
    shell_s: float | None
    """How long the account's login shell takes at the least until it runs a script; None: not known
    yet, or there is no login shell in between."""
    ignored: tuple[str, ...]
    """Directives of ``~/.ssh/config`` for the node that matter and are not honoured."""
    via: str
    """The node through which it goes because the direct way is silent; empty: none."""
    bypassed: str
    """Why it does not go the direct way, as a clause; empty: it does."""
    outdated: bool
    """A better one can be had: do not begin anything long with it."""

    @property
    def closed(self) -> bool:
        """Whether the connection is lost or closed; a new one must be opened."""

    async def run(
        self,
        script: str,
        *,
        stdin: bytes = b"",
        timeout_s: float,
        most_bytes: int = ANSWER_BYTES,
    ) -> Completed:
        """Run a POSIX sh script to its end.

        It has ended with its exit status and its end mark: what it, or a start-up file, left behind
        may hold its output open for ever.

        :param script: reaches ``sh`` unchanged; see :mod:`fleetctl.link.shell` for quoting.
        :param stdin: what the script reads. Secrets must go here, never into arguments.
        :param timeout_s: seconds, from its own start on, after which it gets TERM, and its channel
            is closed. The login shell before it has :data:`SHELL_START_S` for itself.
        :param most_bytes: of stdout and stderr together.
        :raises AnswerCut: its shell ended before it, or it printed more than ``most_bytes``.
        :raises LinkHung: it did not end in time.
        :raises ShellHung: it did not begin.
        :raises LinkLost: the connection broke first.
        """

    def stream(
        self, script: str, *, both: bool = False, unmarked: bool = False
    ) -> AbstractAsyncContextManager[Stream]:
        """Run a script and read its output as it comes, until it ends as in :meth:`run`; leaving
        the context ends the script.

        :param both: read stderr, too, by :meth:`Stream.read_both`: no byte of it is dropped.
        :param unmarked: without an end mark, so that every byte is passed on at once, also one with
            which the mark begins: for two programs that wait for each other's answers. It has ended
            when its output is closed.
        """

    def terminal(
        self, script: str, *, term: str, columns: int, rows: int
    ) -> AbstractAsyncContextManager[Terminal]:
        """Run a script on a terminal of type ``term``."""

    async def open_connection(
        self, host: str, port: int, *, timeout_s: float
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A TCP connection made from the node, for ready conditions.

        :raises ForwardingForbidden: its SSH server does not allow it.
        :raises OSError: the node could not connect.
        """

    async def close(self) -> None:
        """End the connection; never raises."""
