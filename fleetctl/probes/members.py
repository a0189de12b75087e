"""The sh text that finds the processes of instances; see members.sh."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.resources import files


@lru_cache
def members_text() -> str:
    """members.sh without its comments: it travels with every question about instances."""
    text = files("fleetctl.probes").joinpath("members.sh").read_text("utf-8")
    return re.sub(r"^\s*#.*\n", "", text, flags=re.M)
