"""A pseudo-terminal that a program runs in, to time what it draws."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Sequence
from contextlib import suppress

from measure import cannot

COLUMNS, ROWS = 120, 40
ANSWER_TIMEOUT_S = 20.0
ESCAPES = re.compile(
    rb"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[()][A-Z0-9]|\x0f"
)


class Terminal:
    """Runs a program, keeps its output, and times its answers to keys."""

    def __init__(
        self, argv: Sequence[str], env: dict[str, str], size: tuple[int, int] = (COLUMNS, ROWS)
    ) -> None:
        self.master, slave = pty.openpty()
        columns, rows = size
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process = subprocess.Popen(
            argv, stdin=slave, stdout=slave, stderr=slave, env=env, start_new_session=True
        )
        os.close(slave)
        self._drawn = bytearray()
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with suppress(OSError):  # EIO: the other end is closed
            while data := os.read(self.master, 1 << 16):
                with self._news:
                    self._drawn += data
                    del self._drawn[: -(1 << 20)]
                    self._news.notify_all()

    def answer_ms(self, keys: bytes, expected: str) -> float:
        """Milliseconds from sending ``keys`` until output matches ``expected``."""
        wanted = re.compile(expected.encode())
        with self._news:
            self._drawn.clear()
        began = time.perf_counter()
        os.write(self.master, keys)
        with self._news:
            if not self._news.wait_for(
                lambda: wanted.search(ESCAPES.sub(b"", bytes(self._drawn))), ANSWER_TIMEOUT_S
            ):
                cannot(f"no {expected!r} within {ANSWER_TIMEOUT_S:g} s after {keys!r}")
        return (time.perf_counter() - began) * 1e3

    def end(self, keys: bytes) -> None:
        os.write(self.master, keys)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            cannot(f"{self.process.args!r} did not end")
        finally:
            os.close(self.master)
