"""The real program inside a real tmux on the lab's controller: keys sent, screen read."""

from __future__ import annotations

import itertools
import shlex
import time
from collections.abc import Mapping
from types import TracebackType

from fleetctl.lab import Lab
from tests.e2e.cluster import User

_numbers = itertools.count(1)


class Screen:
    """A context manager; leaving it ends the tmux server, and what runs in it."""

    def __init__(
        self,
        job: User,
        *arguments: str,
        columns: int = 120,
        rows: int = 40,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.lab: Lab = job.lab
        self._tmux = ["tmux", "-u", "-L", f"screen{next(_numbers)}"]
        said = "; echo left with $?; exec sleep 600"
        variables = [f"{key}={value}" for key, value in (env or {}).items()]
        command = shlex.join(["env", *variables, *job.argv(*arguments)]) + said
        self._run(
            "-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(rows), command
        )

    def __enter__(self) -> Screen:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.lab.run("controller", [*self._tmux, "kill-server"])

    def _run(self, *arguments: str) -> str:
        done = self.lab.run("controller", [*self._tmux, *arguments])
        assert done.returncode == 0, (arguments, done.stderr.decode())
        return done.stdout.decode()

    def type(self, *keys: str) -> None:
        """Send keys by tmux's names for them."""
        self._run("send-keys", *keys)

    def back(self) -> None:
        """Escape, to the dashboard; with another key right behind it, it would be Alt and that."""
        self.type("Escape")
        self.until("─ Topology ─")

    def resize(self, columns: int, rows: int) -> None:
        self._run("resize-window", "-x", str(columns), "-y", str(rows))

    @property
    def text(self) -> str:
        return self._run("capture-pane", "-p")

    @property
    def pid(self) -> int:
        """Of the shell that runs the program."""
        return int(self._run("list-panes", "-F", "#{pane_pid}"))

    def until(self, *parts: str, gone: str = "", timeout_s: float = 20.0) -> str:
        """Wait until the screen holds all ``parts``, and not ``gone``."""
        deadline = time.monotonic() + timeout_s
        while True:
            text = self.text
            if all(part in text for part in parts) and not (gone and gone in text):
                return text
            assert time.monotonic() < deadline, f"{parts} not within {timeout_s} s in:\n{text}"
            time.sleep(0.05)
