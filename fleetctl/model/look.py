"""What came of asking one node once."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from fleetctl.errors import LinkError
from fleetctl.model.facts import NodeFacts


class RawAnswer(Struct, frozen=True):
    """What a probe ran on a node, and what came of it, word for word."""

    name: str
    command: str
    text: str
    exit_status: int


class Look(Struct, frozen=True):
    """Facts, or the error that stands for them; neither before the node was asked."""

    facts: NodeFacts | None = None
    error: LinkError | None = None
    address: str | None = None
    """Where the connection goes to; None on this machine."""
    connect_ms: float | None = None
    answers: Mapping[str, bool] = {}
    """For a node that cannot be logged into: instance name to whether its ready condition holds."""
    took_s: float = 0.0
    """How long the asking took."""
    unasked: bool = False
    """The node said by itself that something changed."""
