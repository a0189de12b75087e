"""What a node said about itself at one moment. ``None`` is "not known"; ``unknown`` says why."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from msgspec import Struct

from fleetctl.model.status import SystemStatus

Phase = Literal["running", "backoff", "ended", "stopped"]


class Pane(Struct, frozen=True):
    """A tmux window of ours with its one pane."""

    session: str
    window_id: str
    pane_id: str
    pid: int
    """Of the supervisor, or of the holding process before it."""
    dead: bool
    dead_status: int | None
    """tmux may show a dead pane a moment before its status."""
    job: str
    instance: str
    run: str
    definition_hash: str
    started_at: datetime | None


class Record(Struct, frozen=True):
    """What the supervisor wrote down for an instance."""

    job: str
    instance: str
    run: str
    phase: Phase
    pid: int | None
    started_at: datetime | None
    """When the process of the present attempt began."""
    ended_at: datetime | None
    exit_code: int | None
    restarts: int
    ready: bool
    """A controller saw the ready condition met in this very attempt."""
    log_start: int | None = None
    """Offset in the log at which the output of the present attempt begins."""


class Listener(Struct, frozen=True):
    """A listening TCP socket."""

    address: str
    """``0.0.0.0`` for any IPv4 address, ``*`` or ``::`` for any at all."""
    port: int
    pids: tuple[int, ...]
    """Empty when they belong to another user."""
    process: str | None

    def __str__(self) -> str:
        return f"{self.address}:{self.port}"


class NodeFacts(Struct, frozen=True):
    """One node, one round trip."""

    measured_at: datetime
    system: SystemStatus | None
    tmux_version: str | None
    """``None`` when tmux is not there."""
    panes: tuple[Pane, ...] | None
    records: Mapping[tuple[str, str], Record]
    """By job and instance name."""
    log_bytes: Mapping[tuple[str, str], int]
    """Offset of the end of each instance's log."""
    listeners: tuple[Listener, ...] | None
    runs: Mapping[str, tuple[int, ...]] | None
    """Run id to the processes that belong to it."""
    unknown: Mapping[str, str] = {}
    """Name of a probe to the reason why it has no answer."""
