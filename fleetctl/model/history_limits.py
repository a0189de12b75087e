"""How much of the past is kept."""

from __future__ import annotations

from msgspec import Struct


class HistoryLimits(Struct, frozen=True):
    """``history`` of nodes.yaml."""

    days: int = 365
    """What is older is dropped."""
    mb: int = 200
    """How large the file may become, in MiB; then the oldest is dropped."""
