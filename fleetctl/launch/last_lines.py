"""What the process of an instance printed last, for a start that failed."""

from __future__ import annotations

import asyncio
import time

from fleetctl.errors import LinkError
from fleetctl.health.services import pane_of
from fleetctl.link.protocol import Link
from fleetctl.logs.lines import read_last
from fleetctl.logs.segments import LogLocation, LogReader
from fleetctl.model.facts import NodeFacts
from fleetctl.model.jobs import Instance

LINES = 10
_KEPT_BYTES = 16 * 1024
_LATE_S = 0.5
"""Output reaches the log through tmux, so its end may come a moment after that of the process."""
_AGAIN_S = 0.1
_ENDED = b"fleetctl: ended with exit code "
"""How the supervisor ends a log (supervisor.sh)."""


async def last_lines(
    link: Link, fleet: str, instance: Instance, facts: NodeFacts
) -> tuple[str, ...] | None:
    """The last lines of the newest attempt, at most :data:`LINES`; None: not known.

    :param facts: of the node, after the attempt ended or became late.
    """
    key = (instance.job, instance.name)
    record, pane = facts.records.get(key), pane_of(fleet, instance, facts)
    if record is None or (pane and pane.run != record.run):
        return None
    start = max(record.log_start or 0, facts.log_bytes.get(key, 0) - _KEPT_BYTES)
    log = LogReader(LogLocation(fleet, *key), start)
    deadline = time.monotonic() + _LATE_S
    said = b""
    while True:
        try:
            said = (said + await log.more(link))[-_KEPT_BYTES:]
        except LinkError:
            return None
        before, ended, after = said.rpartition(_ENDED)
        if ended and b"\n" not in after.rstrip():
            return read_last(before, LINES)
        if record.phase != "ended" or time.monotonic() > deadline:
            return read_last(said, LINES)
        await asyncio.sleep(_AGAIN_S)
