"""The result of asking one node once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct

from fleetctl.errors import LinkError
from fleetctl.model.facts import NodeFacts


class RawAnswer(Struct, frozen=True):
    """A command that a probe ran on a node, and its literal output."""

    name: str
    command: str
    text: str
    exit_status: int


class Look(Struct, frozen=True):
    """Facts, or the error because of which there are none; neither: not asked yet."""

    facts: NodeFacts | None = None
    error: LinkError | None = None
    address: str | None = None
    """Where the connection goes to; None: this machine."""
    connect_ms: float | None = None
    shell_s: float | None = None
    """How long the account's login shell takes at the least until it runs a script; None: not known
    or this machine."""
    ignored: tuple[str, ...] = ()
    """Directives of ``~/.ssh/config`` for the node that matter and are not honoured."""
    via: str = ""
    """The node through which it was reached because the direct way is silent; empty: none."""
    bypassed: str = ""
    """Why it was not reached directly, as a clause; empty: it was."""
    answers: Mapping[tuple[str, str], bool] = {}
    """For a node that cannot be logged into: whether ready conditions hold, by job and instance
    name."""
    took_s: float = 0.0
    """How long asking took."""
    unasked: bool = False
    """The node itself reported a change."""
    lost_at: datetime | None = None
    """Of a watched node that cannot be asked: when that was first found."""
