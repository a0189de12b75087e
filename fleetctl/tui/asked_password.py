"""The password of sudo on the nodes, asked for on a terminal that nothing is drawn on meanwhile."""

from __future__ import annotations

import asyncio
import os
import termios
from collections.abc import Iterator
from contextlib import contextmanager

from fleetctl.errors import UsageError
from fleetctl.model.sudo import SudoPassword

PROMPT = "password for sudo on the nodes (for this run alone; Ctrl-C: back): "
WAIT_S = 120.0
_MOST_BYTES = 1024
_CANCEL = b"\x03"


async def ask_password(terminal: str = "/dev/tty", wait_s: float = WAIT_S) -> SudoPassword:
    """Ask for it; what is typed is not shown.

    :raises UsageError: none was typed, or not within ``wait_s``.
    """
    loop = asyncio.get_running_loop()
    try:
        fd = os.open(terminal, os.O_RDWR | os.O_NOCTTY)
    except OSError as error:
        raise UsageError(f"{terminal} cannot be opened to ask on: {error.strerror}") from None
    came = asyncio.Event()
    try:
        with _unseen(fd):
            os.write(fd, PROMPT.encode())
            loop.add_reader(fd, came.set)
            try:
                await asyncio.wait_for(came.wait(), wait_s)
            except TimeoutError:
                raise UsageError(f"no password was typed within {wait_s:g} s") from None
            finally:
                loop.remove_reader(fd)
            typed = os.read(fd, _MOST_BYTES)  # it has a whole line
            os.write(fd, b"\n")
    finally:
        os.close(fd)
    text = typed.rstrip(b"\n").decode("utf-8", "surrogateescape")
    if not text or typed.endswith(_CANCEL):
        raise UsageError("no password was typed, so nothing was run")
    return SudoPassword(text)


@contextmanager
def _unseen(fd: int) -> Iterator[None]:
    """While inside, the terminal shows nothing that is typed, and hands a line over at its end or
    at Ctrl-C, which sends no signal: that would end the dashboard."""
    before = termios.tcgetattr(fd)
    mode = termios.tcgetattr(fd)
    mode[3] &= ~(termios.ECHO | termios.ISIG)
    mode[3] |= termios.ICANON
    mode[0] |= termios.ICRNL
    mode[6][termios.VEOL] = _CANCEL
    termios.tcsetattr(fd, termios.TCSAFLUSH, mode)
    try:
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSAFLUSH, before)
