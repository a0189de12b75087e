"""Copying to the clipboard of the machine at which the user sits."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

OSC_52 = "the terminal (OSC 52), if it allows that"
WAIT_S = 2.0


def ways(environ: Mapping[str, str]) -> Iterator[Sequence[str]]:
    """The programs that may copy, best first. Over SSH a Mac's own clipboard is not the user's;
    tmux hands on what it is given, and not what programs in it write to the terminal.
    """
    if not environ.get("SSH_CONNECTION"):
        yield ("pbcopy",)
    if environ.get("WAYLAND_DISPLAY"):
        yield ("wl-copy",)
    if environ.get("DISPLAY"):
        yield ("xclip", "-selection", "clipboard")
    if environ.get("TMUX"):
        yield ("tmux", "load-buffer", "-w", "-")


async def copy(text: str) -> str:
    """Copy ``text`` by the first program that takes it.

    :returns: its name; empty: none does, so only the terminal is left.
    """
    for argv in ways(os.environ):
        if shutil.which(argv[0]) and await _hand_over(argv, text.encode()):
            return argv[0]
    return ""


async def _hand_over(argv: Sequence[str], text: bytes) -> bool:
    """Whether a program took it."""
    nowhere = asyncio.subprocess.DEVNULL  # one that stays, as xclip does, would hold a pipe open
    try:
        process = await asyncio.create_subprocess_exec(
            *argv, stdin=asyncio.subprocess.PIPE, stdout=nowhere, stderr=nowhere
        )
    except OSError:
        return False
    try:
        async with asyncio.timeout(WAIT_S):
            await process.communicate(text)
    except TimeoutError:
        return False
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return process.returncode == 0
