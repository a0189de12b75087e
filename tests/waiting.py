"""Waiting for what a test can see, and leaving the machine to what it waits for."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

SHORTEST_S, LONGEST_S = 0.02, 0.3


def patient(seconds: float) -> float:
    """The longest time of what takes at most ``seconds`` on a machine at rest: more by as much as
    this one has to do for each of its processors."""
    return seconds * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def rest_s(took_s: float) -> float:
    """How long to rest after a look that took so long: four times as long, so that looks leave most
    of the time to others."""
    return min(max(SHORTEST_S, 4 * took_s), LONGEST_S)


def eventually(condition: Callable[[], object], what: str, timeout_s: float = 10.0) -> None:
    """Wait until ``condition`` holds."""
    deadline = time.monotonic() + patient(timeout_s)
    while True:
        began = time.monotonic()
        if condition():
            return
        assert time.monotonic() < deadline, f"not within {timeout_s} s and more: {what}"
        time.sleep(rest_s(time.monotonic() - began))
