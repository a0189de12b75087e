"""A pseudo-terminal at the lab's controller, with the text that a user would see on it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from tests.waiting import patient

DETACH = "\x02d"
_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07]*\x07|[()][A-Z0-9]|[=>78cDEHM])|[\x0e\x0f]"
)


class Place(Protocol):
    """Where commands run, such as a lab."""

    def popen(self, where: str, argv: Sequence[str], **kwargs: Any) -> subprocess.Popen[bytes]:
        """Start a command; ``kwargs`` as for :class:`subprocess.Popen`."""


class Outside:
    """A folder of this machine, outside of all labs.

    :param env: added to the environment of commands.
    """

    def __init__(self, folder: Path, **env: str) -> None:
        self._folder = folder
        self._env = env

    def popen(self, where: str, argv: Sequence[str], **kwargs: Any) -> subprocess.Popen[bytes]:
        kwargs["env"] = {**os.environ, **kwargs["env"], **self._env}
        return subprocess.Popen(argv, cwd=self._folder, **kwargs)


class Terminal:
    """A command on a terminal of its own; use as a context manager, leaving it ends the command."""

    def __init__(self, place: Place, argv: Sequence[str], *, columns: int = 100, rows: int = 30):
        self._fd, follower = pty.openpty()
        self.resize(columns, rows)
        self.process = place.popen(
            "controller",
            argv,
            env={"TERM": "xterm-256color"},
            stdin=follower,
            stdout=follower,
            stderr=follower,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(follower)
        self.raw = ""
        """All output so far, with escape sequences."""

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._fd)

    def hang_up(self) -> None:
        """Close the terminal, as closing its window does."""
        os.close(self._fd)
        self._fd = os.open(os.devnull, os.O_RDONLY)

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, keys: str) -> None:
        os.write(self._fd, keys.encode())

    @property
    def text(self) -> str:
        """All output so far, without escape sequences."""
        return _ESCAPES.sub("", self.raw)

    def wait_for(self, text: str, timeout_s: float = 10.0) -> None:
        """Read until ``text`` has been shown."""
        deadline = time.monotonic() + patient(timeout_s)
        while text not in self.text:
            left = deadline - time.monotonic()
            assert left > 0, f"{text!r} did not appear in {self.text!r}"
            if not self.read(left):
                raise AssertionError(f"ended before {text!r} appeared: {self.text!r}")

    def wait_for_times(self, text: str, times: int, timeout_s: float = 10.0) -> None:
        """Read until ``text`` has been shown so many times."""
        deadline = time.monotonic() + patient(timeout_s)
        while self.text.count(text) < times:
            left = deadline - time.monotonic()
            assert left > 0, f"{text!r} did not appear {times} times in {self.text!r}"
            if not self.read(left):
                raise AssertionError(f"ended before {text!r} appeared again: {self.text!r}")

    def wait_for_end(self, timeout_s: float = 10.0) -> int:
        """Read to the end; returns the command's exit code."""
        deadline = time.monotonic() + patient(timeout_s)
        while self.read(max(0.0, deadline - time.monotonic())):
            assert time.monotonic() < deadline, f"it does not end: {self.text!r}"
        try:
            return self.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it does not end: {self.text!r}") from None

    def detach(self, timeout_s: float = 10.0) -> int:
        """Type Ctrl-b d until the command ends; returns its exit code.

        tmux takes keys that come within a millisecond of others for pasted text.
        """
        return self._type_until_the_end(DETACH, timeout_s)

    def interrupt(self, timeout_s: float = 10.0) -> int:
        """Type Ctrl-C at a question until the command ends; returns its exit code.

        Python's ``input`` misses a signal that comes in the moment before it reads.
        """
        return self._type_until_the_end("\x03", timeout_s)

    def _type_until_the_end(self, keys: str, timeout_s: float) -> int:
        deadline = time.monotonic() + patient(timeout_s)
        self.type(keys)
        typed = time.monotonic()
        while self.read(0.2):
            assert time.monotonic() < deadline, f"it does not end: {self.text!r}"
            if time.monotonic() - typed > 1 and self.process.poll() is None:
                self.type(keys)
                typed = time.monotonic()
        return self.wait_for_end()

    def read(self, timeout_s: float) -> bool:
        """Take what comes within ``timeout_s``; false at the end."""
        ready, _, _ = select.select([self._fd], [], [], timeout_s)
        if not ready:
            return True
        try:
            data = os.read(self._fd, 65536)
        except OSError:  # EIO: the other side is closed
            return False
        self.raw += data.decode("utf-8", "replace")
        return bool(data)
