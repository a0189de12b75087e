"""The dashboard of one browser: a process of its own, of which Textual's web driver writes the
screen into a pipe, in packets: a letter, four bytes of length, the content
(textual/drivers/web_driver.py; textual_serve/app_service.py is its other end)."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

Screen = Callable[[bytes], Awaitable[object]]
"""Takes what a terminal is to draw."""

MOST_PACKET = 4 * 1024 * 1024
MOST_SAID = 4096
"""Bytes of what the process says on stderr that are kept."""
END_S = 20.0
"""The time a dashboard has to end what it does on nodes."""
KILL_S = 3.0
TAKE_S = 10.0
"""The time it has to take what is typed."""
ENDED = (-signal.SIGTERM, -signal.SIGKILL, 128 + signal.SIGTERM, 128 + signal.SIGHUP)
"""How one ends that was told to."""
SIZES = {"width": (20, 500), "height": (8, 200)}
_BEGIN = b"__GANGLION__\n"
_NOT_HANDED_ON = ("NO_COLOR", "FLEETCTL_DEMO", "COLUMNS", "LINES", "ROWS")
_SET = {
    "TEXTUAL_DRIVER": "textual.drivers.web_driver:WebDriver",
    "TEXTUAL_COLOR_SYSTEM": "truecolor",
    "TEXTUAL_FPS": "30",
    "TERM": "xterm-256color",
    "COLORTERM": "truecolor",
}


class Session:
    """One process.

    :param argv: the dashboard.
    :param draw: takes its screen.
    """

    def __init__(self, argv: Sequence[str], draw: Screen) -> None:
        self._argv = argv
        self._draw = draw
        self._process: Process | None = None
        self._said = b""

    async def run(self, width: int, height: int) -> str:
        """Show it until it ends.

        :returns: why it failed; empty: it did not.
        :raises OSError: it cannot be started.
        """
        self._process = process = await asyncio.create_subprocess_exec(
            *self._argv,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env=environment(os.environ, within(width, "width"), within(height, "height")),
            start_new_session=True,
            limit=MOST_PACKET,
        )
        assert process.stdout
        assert process.stderr
        saying = asyncio.create_task(self._hear(process.stderr))
        try:
            shown = await self._show(process.stdout)
            await self.end()
            await asyncio.wait((saying,), timeout=KILL_S)
        finally:
            saying.cancel()
            await self.end()
        if shown and process.returncode in (0, *ENDED):
            return ""
        said = self._said.decode(errors="replace").strip().splitlines()
        return said[-1] if said else f"it ended with status {process.returncode}"

    async def _hear(self, stderr: asyncio.StreamReader) -> None:
        while piece := await stderr.read(1024):
            self._said = (self._said + piece)[-MOST_SAID:]

    async def _show(self, stdout: asyncio.StreamReader) -> bool:
        """Draw until its end; whether there was anything."""
        shown = False
        with suppress(asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            if await stdout.readuntil(b"\n") != _BEGIN:
                return False
            shown = True
            while True:
                kind = await stdout.readexactly(1)
                length = int.from_bytes(await stdout.readexactly(4), "big")
                if length > MOST_PACKET:
                    break
                content = await stdout.readexactly(length)
                if kind == b"D":
                    await self._draw(content)
                elif kind == b"M" and json.loads(content).get("type") == "exit":
                    break  # the rest would be files and pages to open: none come from here
        return shown

    async def type(self, text: str) -> None:
        """Keys, or what the mouse does, as a terminal sends them.

        :raises TimeoutError: it takes nothing.
        """
        await self._send(b"D", text.encode())

    async def tell(self, kind: str, **more: object) -> None:
        """``resize``, ``focus``, ``blur`` or ``quit``."""
        await self._send(b"M", json.dumps({"type": kind, **more}).encode())

    async def resize(self, width: object, height: object) -> None:
        await self.tell("resize", width=within(width, "width"), height=within(height, "height"))

    async def _send(self, kind: bytes, content: bytes) -> None:
        process = self._process
        if process is None or process.stdin is None or process.stdin.is_closing():
            return
        with suppress(ConnectionError, RuntimeError):
            process.stdin.write(kind + len(content).to_bytes(4, "big") + content)
            async with asyncio.timeout(TAKE_S):
                await process.stdin.drain()

    async def end(self) -> None:
        """End it: asked first, then by signals."""
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            with suppress(TimeoutError):
                async with asyncio.timeout(KILL_S):
                    await self.tell("quit")
        # its output has to be read, or it may not come to its end
        reading = asyncio.create_task(_drain(process.stdout))
        try:
            for number, patience_s in (
                (None, END_S),
                (signal.SIGTERM, KILL_S),
                (signal.SIGKILL, 9),
            ):
                if number is not None and process.returncode is None:
                    with suppress(ProcessLookupError):
                        os.killpg(process.pid, number)
                with suppress(TimeoutError):
                    async with asyncio.timeout(patience_s):
                        await process.wait()
                        return
        finally:
            reading.cancel()


async def _drain(stdout: asyncio.StreamReader | None) -> None:
    while stdout and await stdout.read(65536):
        pass


def within(size: object, which: str) -> int:
    """A size in cells as a terminal has it, whatever a browser says."""
    least, most = SIZES[which]
    return max(least, min(most, size)) if isinstance(size, int) else least


def environment(here: Mapping[str, str], width: int, height: int) -> dict[str, str]:
    """That of the dashboard's process."""
    kept = {
        name: value
        for name, value in here.items()
        if name not in _NOT_HANDED_ON and not name.startswith("TEXTUAL")
    }
    return {**kept, **_SET, "COLUMNS": str(width), "ROWS": str(height)}
