"""The socket of a server: making it, and letting in this user's own processes only."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress

from fleetctl.errors import FleetctlError
from fleetctl.link.warm.frames import PIECE
from fleetctl.link.warm.place import NotPrivate, peer_uid, require_private, socket_path
from fleetctl.local_files import private_folder

MOST = 512
"""Connections at once; more are closed."""
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class DoorError(FleetctlError):
    """There can be no socket."""


class Door:
    """Listens at the socket of ``fleet``; an async context manager. To be used by the process that
    has the fleet's lock: what is there is left over from one that was killed.

    :param serve: does what a connection asks for; closing it is not its task.
    """

    def __init__(self, fleet: str, serve: Serve) -> None:
        self.path = socket_path(fleet)
        self._serve = serve
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Door:
        """:raises DoorError: there can be no socket."""
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            make_private(os.path.dirname(self.path))  # noqa: PTH120 -- as place.py
            with suppress(FileNotFoundError):
                os.unlink(self.path)  # noqa: PTH108
            before = os.umask(0o177)
            try:
                listening.bind(self.path)
            finally:
                os.umask(before)
            require_private(self.path)
            self._server = await asyncio.start_unix_server(
                self._begin, sock=listening, limit=PIECE, backlog=MOST
            )
        except (OSError, NotPrivate) as error:
            listening.close()
            why = error.strerror if isinstance(error, OSError) and error.strerror else error
            raise DoorError(
                f"the socket {self.path} cannot be made: {why}",
                hint="Other commands go on without it; its folder must be this user's alone.",
            ) from None
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server
        with suppress(OSError):
            os.unlink(self.path)  # noqa: PTH108
            os.rmdir(os.path.dirname(self.path))  # noqa: PTH106, PTH120 -- if it has no lock
        self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._open.add(task)
        try:
            connection = writer.get_extra_info("socket")
            if len(self._open) <= MOST and peer_uid(connection) == os.getuid():
                await self._serve(reader, writer)
        except asyncio.CancelledError:
            pass  # the server ends; asyncio would print it
        finally:
            self._open.discard(task)
            writer.close()


def make_private(folder: str) -> None:
    """Make a folder that is this user's alone, or see that it is.

    :raises NotPrivate: it is not.
    :raises OSError: it cannot be made.
    """
    from pathlib import Path

    private_folder(Path(folder))
    found = os.lstat(folder)
    if found.st_uid != os.getuid():
        raise NotPrivate(f"{folder} belongs to another user (uid {found.st_uid})")
    if not os.path.isdir(folder) or os.path.islink(folder):  # noqa: PTH112, PTH114
        raise NotPrivate(f"{folder} is not a folder of its own")
    if found.st_mode & 0o077:
        os.chmod(folder, 0o700)  # noqa: PTH101
