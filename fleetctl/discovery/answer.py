"""A host that may become a node, and what it answered."""

from __future__ import annotations

from msgspec import Struct

from fleetctl.model.facts import NodeFacts
from fleetctl.model.network import Heard
from fleetctl.model.topology import SSH


class Host(Struct, frozen=True):
    """A host as the user or a file names it."""

    ssh: SSH
    source: str
    """Where it comes from, as a clause: ``given on the command line``."""
    name: str | None = None
    """What the source calls it; None: it gives an address only."""
    kept: bool = False
    """``name`` is that of a node which is there already."""


class Answer(Struct, frozen=True):
    """What came of asking a host."""

    host: Host
    facts: NodeFacts | None = None
    """None: it could not be asked; then ``error`` says why."""
    error: str = ""
    silent: bool = False
    """Nothing was heard of it, so that it may not exist."""
    shut: bool = False
    """It answers, and accepts no login: none of the keys, or its host key is not known."""
    peer: str | None = None
    """The address that SSH connected to."""
    heard: tuple[Heard, ...] = ()
    """By a question to all machines on its wired links."""
