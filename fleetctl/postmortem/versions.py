"""Versions of what makes a report."""

from __future__ import annotations

import platform

from fleetctl import __version__


def versions_here() -> list[str]:
    """Of fleetctl and of this machine, a clause each."""
    return [
        f"fleetctl {__version__}, Python {platform.python_version()}",
        f"this machine: {platform.system()} {platform.release()} {platform.machine()}",
    ]
