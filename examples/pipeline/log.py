"""Log lines on standard output, with the time of day."""

from __future__ import annotations

import os
import sys
import time


def log(text: str) -> None:
    """Write one line at once. A closed standard output (``| head``) does not end the run."""
    try:
        sys.stdout.write(f"{time.strftime('%H:%M:%S')} {text}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
