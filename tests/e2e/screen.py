"""The real program inside a real tmux: keys sent, screen read."""

from __future__ import annotations

import itertools
import os
import shlex
import subprocess
import time
from collections.abc import Callable, Sequence

from tests.waiting import patient, rest_s

_numbers = itertools.count(1)
Run = Callable[[list[str]], "subprocess.CompletedProcess[bytes]"]


class Screen:
    """A context manager; leaving it ends the tmux server, and what runs in it.

    :param run: runs a command where the tmux is.
    :param argv: the program.
    """

    def __init__(
        self, run: Run, argv: Sequence[str], *, columns: int = 120, rows: int = 40
    ) -> None:
        self._on = run
        self._tmux = ["tmux", "-u", "-L", f"screen-{os.getpid()}-{next(_numbers)}"]
        command = f"{shlex.join(argv)}; echo left with $?; exec sleep 600"
        size = ("-x", str(columns), "-y", str(rows))
        self._run("-f", "/dev/null", "new-session", "-d", *size, command)

    def __enter__(self) -> Screen:
        return self

    def __exit__(self, *_: object) -> None:
        self._on([*self._tmux, "kill-server"])

    def _run(self, *arguments: str) -> str:
        done = self._on([*self._tmux, *arguments])
        assert done.returncode == 0, (arguments, done.stderr.decode())
        return done.stdout.decode()

    def type(self, *keys: str) -> None:
        """Send keys by tmux's names for them."""
        self._run("send-keys", *keys)

    def back(self) -> None:
        """Escape to the dashboard, and wait: a key right after Escape would be Alt and that key."""
        self.type("Escape")
        self.until("─ Nodes ─")

    def resize(self, columns: int, rows: int) -> None:
        self._run("resize-window", "-x", str(columns), "-y", str(rows))

    @property
    def text(self) -> str:
        return self._run("capture-pane", "-p")

    @property
    def pid(self) -> int:
        """The process id of the shell that runs the program."""
        return int(self._run("list-panes", "-F", "#{pane_pid}"))

    def until(self, *parts: str, gone: str = "", timeout_s: float = 20.0) -> str:
        """Wait until the screen holds all ``parts``, and not ``gone``."""
        deadline = time.monotonic() + patient(timeout_s)
        while True:
            began = time.monotonic()
            text = self.text
            if all(part in text for part in parts) and not (gone and gone in text):
                return text
            assert time.monotonic() < deadline, f"{parts} not within {timeout_s} s in:\n{text}"
            time.sleep(rest_s(time.monotonic() - began))
