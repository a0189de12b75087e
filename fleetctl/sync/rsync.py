"""Sending files by rsync, over the connections that fleetctl has.

rsync starts its transport as a program: :mod:`fleetctl.sync.relay`, which connects back to a unix
socket of :class:`Rsync`. So host keys, jump hosts and logins are those of all other commands.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from fleetctl.errors import LinkError
from fleetctl.finishing import to_the_end
from fleetctl.link.groups import start_group
from fleetctl.link.protocol import Link, Stream
from fleetctl.model.syncing import SyncError
from fleetctl.package_files import package_text
from fleetctl.quoting import join
from fleetctl.sync.node_files import NO_STAGE, STALLED_S, Place, no_stage, not_sent

_HEAD_BYTES = 64 * 1024
_PIECE = 64 * 1024
_END_S = 5.0
_FINAL = (11, 20, 30)
"""Exit codes of rsync(1) that mean the same for any program: an error of the disk there, a signal,
and a node that takes nothing."""

_EFFECT = re.compile(r"write error: Broken pipe|connection unexpectedly closed|^rsync error:")


class RsyncUnusable(Exception):
    """It failed, and something simpler may not: the two programs may not understand each other, or
    one of them not its options."""


class Rsync:
    """Runs rsync on this machine, for several nodes at once, until :meth:`close`."""

    def __init__(self) -> None:
        self._transfers: dict[str, _Transfer] = {}
        self._folder = ""
        self._server: asyncio.Server | None = None
        self._opening = asyncio.Lock()

    async def _open(self) -> None:
        """
        :raises RsyncUnusable: there can be no socket; its path may be too long.
        """
        async with self._opening:
            if self._server:
                return
            folder = _relay_folder()
            self._folder = str(folder)
            try:
                self._server = await asyncio.start_unix_server(
                    self._answer, folder / "socket", limit=_HEAD_BYTES
                )
            except OSError as error:
                self.close()
                raise RsyncUnusable(str(error)) from None

    def close(self) -> None:
        if self._server:
            self._server.close()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    async def send(self, link: Link, place: Place, source: str, paths: Sequence[str]) -> None:
        """Send ``paths`` of the folder ``source`` into the stage of ``place``.

        :raises RsyncUnusable: rsync cannot do it.
        :raises SyncError: it failed.
        :raises LinkError: the node cannot be reached, or is lost.
        """
        await self._open()
        transfer = self._transfers[link.node] = _Transfer(link, place)
        process = await to_the_end(self._spawn(source, link.node))
        try:
            listed = b"".join(b"./" + os.fsencode(path) + b"\0" for path in paths)
            _, said = await process.communicate(listed)
            await transfer.ended()
        finally:
            await to_the_end(_end(process))
            transfer.cancel()
            del self._transfers[link.node]
        if transfer.error:
            raise transfer.error
        if process.returncode:
            text = (transfer.said + said).decode("utf-8", "replace")
            _fail(link.node, process.returncode, text)

    async def _spawn(self, source: str, node: str) -> asyncio.subprocess.Process:
        return await start_group(  # so that Ctrl-C interrupts only fleetctl
            "rsync",
            "-lptI0",  # I: what is sent is decided already, by more than size and time
            "--no-implied-dirs",
            "--files-from=-",
            "--compare-dest=..",  # of a file that is there, only what changed is sent
            f"--timeout={STALLED_S:.0f}",
            "-e",
            "sh relay",
            f"{source}/",
            f"{node}:.",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            cwd=self._folder,
            env={**os.environ, "LC_ALL": "C"},
        )

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one relay."""
        try:
            head = await reader.readuntil(b"\0\n")
            node, *words = (os.fsdecode(word) for word in head[:-2].split(b"\0"))
            if node in self._transfers:
                await self._transfers[node].run(words, reader, writer)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            pass  # rsync was ended, and its relay with it
        finally:
            writer.close()


def _relay_folder() -> Path:
    """A new folder, which only this account may enter, with the program that rsync starts."""
    folder = Path(tempfile.mkdtemp(prefix="fleetctl-"))
    text = package_text("sync/relay.py")
    (folder / "relay.py").write_text(text, "utf-8")
    program = join([sys.executable or "python3", "-I", "-S", "relay.py", "socket"])
    (folder / "relay").write_text(f'exec {program} "$@"\n', "utf-8")
    return folder


def _fail(node: str, code: int, said: str) -> None:
    """
    :raises RsyncUnusable: rsync cannot do it.
    :raises SyncError: it failed.
    """
    lines = [line for line in said.splitlines() if line.strip()]
    causes = [line for line in lines if not _EFFECT.search(line)] or lines
    reason = next((line for line in causes if line.startswith("rsync: ")), "".join(causes[:1]))
    reason = reason.removeprefix("rsync: ") or f"exit code {code}"
    if code in _FINAL:
        raise not_sent(node, "rsync", reason)
    raise RsyncUnusable(reason)


async def _end(process: asyncio.subprocess.Process) -> None:
    for end in (process.terminate, process.kill):
        if process.returncode is None:
            with suppress(ProcessLookupError):
                end()
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), _END_S)


class _Transfer:
    """The other half of an rsync, on a node."""

    def __init__(self, link: Link, place: Place) -> None:
        self._link = link
        self._place = place
        self._task: asyncio.Task[object] | None = None
        self.error: SyncError | LinkError | None = None
        """Why it could not be done, if the reason is not rsync's."""
        self.said = b""
        """Its stderr there, where it says more than it can still tell the other half."""

    async def run(
        self, words: Sequence[str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Run ``words`` there, its stdin and stdout joined with a relay.

        :raises OSError: the relay was ended.
        """
        self._task = asyncio.current_task()
        try:
            script = self._place.receive(join(words))
            async with self._link.stream(script, unmarked=True) as stream:
                up = asyncio.create_task(_pass_on(reader, stream))
                try:
                    while data := await stream.read():
                        writer.write(data)
                        await writer.drain()
                finally:
                    up.cancel()
                    await asyncio.wait([up])
                self.said = stream.stderr
                if stream.exit_status == NO_STAGE:
                    self.error = no_stage(self._link.node, stream.stderr)
                elif not up.cancelled():
                    up.result()
        except LinkError as error:
            self.error = error

    async def ended(self) -> None:
        """Return when it has ended on the node, too."""
        if self._task:
            await asyncio.wait([self._task], timeout=_END_S)

    def cancel(self) -> None:
        if self._task:
            self._task.cancel()


async def _pass_on(reader: asyncio.StreamReader, stream: Stream) -> None:
    while data := await reader.read(_PIECE):
        stream.write(data)
        await stream.drain(STALLED_S)
    stream.write_eof()
