"""The keys that detach from a window, in the terminal of this process.

In a tmux of the user's own, that one takes its prefix for itself: ``Ctrl-b d`` would detach the
user's session. Its prefix typed twice is sent on once (``send-prefix`` in tmux(1)).
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping

ASK_TIMEOUT_S = 2.0
DETACH = "Ctrl-b d"
DETACH_NESTED = "Ctrl-b Ctrl-b d"


def detach_keys(environ: Mapping[str, str] = os.environ) -> str:
    """As they are shown; asks the tmux around this process, if there is one."""
    if environ.get("TMUX"):
        return DETACH_NESTED if "C-b" in _prefixes(environ) else DETACH
    if environ.get("TERM", "").startswith(("tmux", "screen")):  # it is not around this machine
        return f"{DETACH} (in a tmux: {DETACH_NESTED})"
    return DETACH


def _prefixes(environ: Mapping[str, str]) -> list[str]:
    """Those of the tmux around this process; tmux's own where it does not tell."""
    try:
        told = subprocess.run(
            ["tmux", "display-message", "-p", "#{prefix} #{prefix2}"],
            env=dict(environ),
            capture_output=True,
            text=True,
            timeout=ASK_TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ["C-b"]
    return told.stdout.split()
