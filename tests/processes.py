"""Processes that tests start."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any


@contextmanager
def killed_at_end(
    argv: Sequence[str], *, start_new_session: bool = False, **more: Any
) -> Iterator[subprocess.Popen[Any]]:
    """A process that is killed at the end of the block if it still runs, and with it the group that
    it leads. Popen's own block waits for it, which a test that fails would do without end."""
    with subprocess.Popen(argv, start_new_session=start_new_session, **more) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                if start_new_session:
                    os.killpg(process.pid, signal.SIGKILL)
                else:
                    process.kill()
