"""The browser of whoever sits at this machine."""

from __future__ import annotations

import os
import sys
import threading
import webbrowser


def available() -> bool:
    """Whether a page can be shown: not in an SSH session, and not without a display."""
    if os.environ.get("BROWSER"):
        return True
    if sys.platform == "darwin":
        return not os.environ.get("SSH_CONNECTION")
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def show(url: str) -> None:
    """Open ``url`` in the browser, without waiting for it."""
    # some browsers are waited for until they are closed
    threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
