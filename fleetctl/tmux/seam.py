"""Makes libtmux run its commands over a node's link instead of a local tmux.

libtmux 0.62 runs every tmux command in the constructor of ``libtmux.common.tmux_cmd``, with the
server's ``tmux_bin`` as an argument. That constructor is patched once: a ``tmux_bin`` registered
here runs through its engine, any other through libtmux's own code. :class:`Engine` follows the
protocol proposed upstream (tmux-python/libtmux#739), which will replace this module.
``tests/tmux/test_seam.py`` fails if another version of libtmux works differently.
"""

from __future__ import annotations

import threading
from typing import Any, Protocol

import libtmux.common
from msgspec import Struct


class Result(Struct, frozen=True):
    """The result of a tmux command."""

    stdout: str
    stderr: str
    exit_status: int


class Engine(Protocol):
    """Runs tmux commands."""

    def run(self, argv: tuple[str, ...]) -> Result:
        """Run ``tmux ARGV`` to its end; raise only if tmux itself did not answer."""


_engines: dict[str, Engine] = {}
_lock = threading.Lock()
_original = libtmux.common.tmux_cmd.__init__


def register(tmux_bin: str, engine: Engine) -> None:
    """Run every libtmux command with this ``tmux_bin`` through ``engine``."""
    with _lock:
        _engines[tmux_bin] = engine
        if libtmux.common.tmux_cmd.__init__ is not _dispatch:
            libtmux.common.tmux_cmd.__init__ = _dispatch  # type: ignore[method-assign]  # the seam


def unregister(tmux_bin: str) -> None:
    with _lock:
        _engines.pop(tmux_bin, None)


def _dispatch(self: Any, *args: Any, tmux_bin: str | None = None) -> None:
    engine = _engines.get(tmux_bin or "")
    if engine is None:
        _original(self, *args, tmux_bin=tmux_bin)
        return
    argv = tuple(str(arg) for arg in args)
    result = engine.run(argv)
    self.cmd = [tmux_bin, *argv]
    self.process = None
    self.returncode = result.exit_status
    self.stdout = result.stdout.rstrip("\n").split("\n") if result.stdout.strip("\n") else []
    self.stderr = [line for line in result.stderr.split("\n") if line]
    if "has-session" in argv and self.stderr and not self.stdout:
        self.stdout = [self.stderr[0]]  # as libtmux does; Server.has_session reads it there
