"""Which round trip is too long: judged by what nodes.yaml expects, never by other ones. Pure."""

from __future__ import annotations

FACTOR = 2.0
SLACK_MS = 1.0
"""A round trip is high if it exceeds the expected one by this factor and by this much."""


def highest(expected_ms: float) -> float:
    """The longest round trip, in ms, that is not high where ``expected_ms`` is expected."""
    return max(expected_ms * FACTOR, expected_ms + SLACK_MS)
