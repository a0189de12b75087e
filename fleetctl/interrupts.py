"""Ctrl-C while modules are imported.

Python loses a KeyboardInterrupt that is raised in a callback of its import locks ("Exception
ignored in _get_module_lock"): the command would go on as if nothing had been typed.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def held_back() -> Iterator[None]:
    """While inside, SIGINT waits; it is raised at the end."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
