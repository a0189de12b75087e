"""Attaching this process's terminal to a script on a node, until the script ends."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import termios
import tty

from fleetctl.link.protocol import Link
from fleetctl.link.readiness import readable

_CHUNK = 64 * 1024


async def lend(link: Link, script: str) -> int:
    """Run ``script`` on the node with this terminal's input, output and size.

    :returns: the script's exit status.
    :raises LinkError: the connection broke; the terminal's settings are restored all the same.
    """
    stdin, stdout = sys.stdin.fileno(), sys.stdout.fileno()
    size = os.get_terminal_size(stdout)  # not $COLUMNS and $LINES, which may be out of date
    before = termios.tcgetattr(stdin)
    loop = asyncio.get_running_loop()
    async with link.terminal(
        script,
        term=os.environ.get("TERM", "xterm-256color"),
        columns=size.columns,
        rows=size.lines,
    ) as terminal:

        def resize() -> None:
            now = os.get_terminal_size(stdout)
            terminal.resize(now.columns, now.lines)

        async def type_in() -> None:
            while True:
                await readable(stdin)
                typed = os.read(stdin, _CHUNK)
                if not typed:
                    return
                terminal.write(typed)

        loop.add_signal_handler(signal.SIGWINCH, resize)
        typing = asyncio.create_task(type_in())
        tty.setraw(stdin)
        try:
            while shown := await terminal.read():
                await _write_all(stdout, shown)
        finally:
            termios.tcsetattr(stdin, termios.TCSADRAIN, before)
            loop.remove_signal_handler(signal.SIGWINCH)
            typing.cancel()
            await asyncio.gather(typing, return_exceptions=True)
        return terminal.exit_status or 0


async def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            await asyncio.sleep(0.005)
