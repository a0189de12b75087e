"""What a server knows of the fleet by its newest looks, ready to be sent."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from functools import cached_property

import msgspec
from msgspec.structs import replace

from fleetctl.medians import median
from fleetctl.model.status import FleetStatus
from fleetctl.observe.watch import LONGEST_PAUSE_S, Watch
from fleetctl.undertakings import Snapshot

INTERVALS = 3
"""A look at a node that answers is not older than so many times what usually is between two looks
at a node, ..."""
LEAST_S = 10.0
"""... or than this, if that is longer, or it is not told."""
MOST_S = 60.0
"""Older ones are never told."""
LOST_S = LONGEST_PAUSE_S * 1.3 + 10.0
"""The same for a node that is lost, which is asked more rarely."""
WAIT_S = 1.5
"""How long a look that is asked for is waited for, before a client asks the nodes itself."""
_POLL_S = 0.02


class _Told:
    """One status.

    :param asked_s: by node: when the look in it began, by time.monotonic().
    """

    def __init__(self, status: FleetStatus, asked_s: dict[str, float]) -> None:
        self.healthy = status.healthy
        self.asked_s = asked_s
        self.lost = frozenset(n for n, node in status.nodes.items() if node.ssh.reachable is False)
        self._status = status
        self._made_s = time.monotonic()

    @cached_property
    def json(self) -> bytes:
        """As ``status --json`` prints it, of the time of the oldest look at a node that answers."""
        looks = [at_s for node, at_s in self.asked_s.items() if node not in self.lost]
        age = timedelta(seconds=max(0.0, self._made_s - min(looks, default=self._made_s)))
        status = replace(self._status, generated_at=self._status.generated_at - age)
        return msgspec.json.format(msgspec.json.encode(status)) + b"\n"


class Newest:
    """Keeps the newest status of ``watch``.

    :param interval_s: seconds from one look to the next.
    """

    def __init__(self, watch: Watch, nodes: frozenset[str], interval_s: float) -> None:
        self._watch = watch
        self._nodes = nodes
        self._interval_s = interval_s
        self._bound_s = max(LEAST_S, INTERVALS * interval_s)
        self._asked_s: dict[str, float] = {}
        self._pauses_s: dict[str, float] = {}
        """By node: from the look before the newest one that was seen to that."""
        self._told: _Told | None = None
        self._touched_s: dict[str, float] = {}
        """By node: when a client last did something there."""

    def snapshot(self) -> Snapshot:
        """The fleet now, which is what is told from now on."""
        asked_s = dict(self._watch.asked_s)
        self._measure(asked_s)
        found = self._watch.snapshot()
        if found.complete:
            self._told = _Told(found.status, asked_s)
        return found

    def _measure(self, asked_s: dict[str, float]) -> None:
        """A machine that cannot keep up looks more rarely than it should."""
        for node, at_s in asked_s.items():
            if node in self._asked_s and at_s > self._asked_s[node]:
                self._pauses_s[node] = at_s - self._asked_s[node]
        self._asked_s = asked_s
        usual_s = max(self._interval_s, median(self._pauses_s.values() or [0.0]))
        self._bound_s = min(MOST_S, max(LEAST_S, INTERVALS * usual_s))

    def touched(self, node: str) -> None:
        """A client has done something there: only a look that begins later counts."""
        self._touched_s[node] = time.monotonic()
        self._watch.ask(node)

    async def json(self) -> tuple[bool, bytes] | None:
        """Whether the fleet is healthy, and its status as ``status --json`` prints it; None: not
        all of it is new enough, and was not within :data:`WAIT_S`."""
        if self._told and not self._old(self._told.asked_s, self._told.lost):
            return self._told.healthy, self._told.json
        for node in self._old(self._watch.asked_s, frozenset()):
            self._watch.ask(node)
        deadline_s = time.monotonic() + WAIT_S
        while self._old(self._watch.asked_s, self._told.lost if self._told else frozenset()):
            if time.monotonic() >= deadline_s:
                return None
            await asyncio.sleep(_POLL_S)
        self.snapshot()
        if self._told is None or self._old(self._told.asked_s, self._told.lost):
            return None
        return self._told.healthy, self._told.json

    def _old(self, asked_s: dict[str, float], lost: frozenset[str]) -> list[str]:
        """The nodes whose look is too old, or from before something was done there."""
        now_s = time.monotonic()
        never = float("-inf")

        def old(node: str) -> bool:
            began_s = asked_s.get(node, never)
            bound_s = LOST_S if node in lost else self._bound_s
            return now_s - began_s > bound_s or began_s <= self._touched_s.get(node, never)

        return [node for node in self._nodes if old(node)]
