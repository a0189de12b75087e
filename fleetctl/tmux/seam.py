"""Where libtmux's commands leave this process: to a node's link instead of a local binary.

libtmux 0.62 runs tmux in the constructor of one class, ``libtmux.common.tmux_cmd``, which every
call site shares and which gets the server's ``tmux_bin``. That constructor is wrapped once: a
``tmux_bin`` registered here goes to its engine, every other to libtmux's own code. The shape of
:class:`Engine` follows the protocol proposed upstream (tmux-python/libtmux#739), so that this
module can vanish the day it ships. ``tests/tmux/test_seam.py`` is the canary for other versions.
"""

from __future__ import annotations

import threading
from typing import Any, Protocol

import libtmux.common
from msgspec import Struct


class Result(Struct, frozen=True):
    """What a tmux command left."""

    stdout: str
    stderr: str
    exit_status: int


class Engine(Protocol):
    """Runs tmux somewhere."""

    def run(self, argv: tuple[str, ...]) -> Result:
        """Run ``tmux ARGV`` to its end; raise whatever is not tmux's own answer."""


_engines: dict[str, Engine] = {}
_lock = threading.Lock()
_original = libtmux.common.tmux_cmd.__init__


def register(tmux_bin: str, engine: Engine) -> None:
    """Send every libtmux command with this ``tmux_bin`` to ``engine``."""
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
