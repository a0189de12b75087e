"""The sh texts that find processes of instances, and sockets where there is no ss."""

from __future__ import annotations

import re
from functools import lru_cache

from fleetctl.package_files import package_text


@lru_cache
def members_text() -> str:
    """members.sh without its comments: it travels with every question about instances."""
    return _text("members.sh")


@lru_cache
def sockets_text() -> str:
    """sockets.sh, likewise."""
    return _text("sockets.sh")


def _text(name: str) -> str:
    text = package_text(f"probes/{name}")
    return re.sub(r"^\s*#.*\n", "", text, flags=re.M)
