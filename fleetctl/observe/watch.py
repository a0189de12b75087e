"""Watching the fleet: every node is polled, independently of the others."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from ipaddress import IPv4Address

from msgspec.structs import replace

from fleetctl.health.assess import assess
from fleetctl.health.changes import UNWATCHED
from fleetctl.health.contact import Contact, Contacts, Key, contacts
from fleetctl.health.judged import Judged
from fleetctl.health.kinds.instances import STRAGGLER
from fleetctl.health.network.quality import Degraded
from fleetctl.health.one_node import beforehand
from fleetctl.model.expectations import Expectations, derive
from fleetctl.model.facts import NodeFacts
from fleetctl.model.jobs import Instance, Job
from fleetctl.model.look import Look
from fleetctl.model.questions import Depth
from fleetctl.model.status import Problem
from fleetctl.model.topology import Fleet, Node
from fleetctl.observe.attention import Wake
from fleetctl.undertakings import Snapshot

LONGEST_PAUSE_S = 30.0
"""Longest pause between two attempts to reach a lost node, give or take ``_SPREAD``."""
_SPREAD = 0.3
ASLEEP_S = UNWATCHED.total_seconds()
"""Where no node was looked at for so long, this machine slept, or was held up."""
_NOT_ASKED = Look()

Attend = Callable[[Node, Wake], AsyncGenerator[Look, None]]
"""Yields looks at a node; ends after one that is an error, or when there are no more."""


class Watch:
    """Keeps the newest look at every node. An async context manager: leaving it ends the polling.

    A slow or lost node delays no other. A lost one is tried again after pauses that double up to
    :data:`LONGEST_PAUSE_S`, give or take a third, so that nodes that were lost together are not
    all tried at the same moment.

    :param known: the fleet with the addresses that are known by now, and what must be true of it.
    :param attend: asks one node; errors are in its results.
    :param interval_s: seconds from one question to a node to the next.
    :param beside: other jobs that ``attend`` asks for in the same looks.
    """

    def __init__(
        self,
        fleet: Fleet,
        job: Job | None,
        known: Callable[[], tuple[Fleet, Expectations]],
        attend: Attend,
        *,
        interval_s: float,
        depth: Depth,
        beside: Sequence[Job] = (),
    ) -> None:
        self._fleet = fleet
        self._job = job
        self._known = known
        self._attend = attend
        self._interval_s = interval_s
        self._depth: Depth = depth
        self._looks: dict[str, Look] = {}
        self._heard_at: dict[str, datetime] = {}
        self._awake_s = time.time()
        """When it was last known to be awake; a monotonic clock stands still while a machine
        sleeps."""
        self._before_sleep: set[str] = set()
        """Nodes whose newest look is of before this machine slept: it says nothing any more."""
        self.asked_s: dict[str, float] = {}
        """By node: when its newest look began, by time.monotonic()."""
        jobs = (*([job] if job else ()), *beside)
        self._contacts: dict[str, dict[Key, Contact]] = {one.name: {} for one in jobs}
        """By job."""
        self._lagging: dict[str, dict[str, Problem]] = {}
        """By job and instance, what was told of those that lag."""
        self._jobs = jobs
        self._derived: tuple[Fleet | None, dict[str, Expectations]] = None, {}
        """By job beside the first: what must be true of that fleet."""
        self._known_of: list[Judged] = []
        """What is kept of earlier snapshots, for each that must be true of the fleet."""
        self._wakes = {name: Wake() for name in fleet.nodes}
        self._news = asyncio.Event()
        self._urgent = asyncio.Event()
        self._degraded: frozenset[Degraded] = frozenset()
        self._outages: dict[str, dict[IPv4Address, int]] = {}
        """By node and address: the newest round of echoes while a finding broke the way there."""
        self._without: dict[str, tuple[Look, Look]] = {}
        """By node: its newest look, and the same without such rounds."""
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Watch:
        nodes = self._fleet.nodes.values()
        self._tasks = [asyncio.create_task(self._keep_asking(node)) for node in nodes]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep_asking(self, node: Node) -> None:
        failures = 0
        while True:
            began_s = time.monotonic()
            async with aclosing(self._attend(node, self._wakes[node.name])) as looks:
                async for look in looks:
                    failures = failures + 1 if look.error else 0
                    self._take(node.name, look)
            took_s = time.monotonic() - began_s
            await self._wakes[node.name].wait(self._pause_s(failures, took_s))

    def _notice_sleep(self) -> None:
        slept_s = time.time() - self._awake_s
        self._awake_s += slept_s
        if slept_s > ASLEEP_S:
            self._before_sleep = {node for node, look in self._looks.items() if not look.error}

    def _take(self, node: str, look: Look) -> None:
        self._notice_sleep()
        self._before_sleep.discard(node)
        before = self._looks.get(node)
        if look.unasked or before is None or bool(before.error) != bool(look.error):
            self._urgent.set()
        if look.error:
            since = before.lost_at if before and before.error else None
            look = replace(look, lost_at=since or datetime.now(UTC))
        self._looks[node] = look
        self._judge_beforehand(node)
        self.asked_s[node] = time.monotonic() - look.took_s
        if look.facts:
            self._heard_at[node] = look.facts.measured_at
            now_s = time.monotonic()
            for job in self._jobs:
                known = self._contacts[job.name]
                known |= contacts(known, job, node, look.facts, now_s)
        self._news.set()

    def _pause_s(self, failures: int, took_s: float) -> float:
        if failures == 0:
            return max(0.0, self._interval_s - took_s)
        pause_s: float = min(self._interval_s * 2 ** min(failures - 1, 10), LONGEST_PAUSE_S)
        return pause_s * random.uniform(1 - _SPREAD, 1 + _SPREAD)

    def hurry(self) -> None:
        """Ask every node everything now, lost ones too."""
        for wake in self._wakes.values():
            wake.now(deep=True)

    def ask(self, node: str) -> None:
        """Ask a node now for the state of its instances, or all if it is lost."""
        self._wakes[node].now()

    async def news(self, timeout_s: float | None = None) -> bool:
        """Wait until, since the last call, a node has answered or is found lost.

        :returns: false after ``timeout_s``.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._news.wait()
            self._news.clear()
            return True
        return False

    async def urgent(self, timeout_s: float) -> None:
        """Wait until, since the last call, a node is lost or back, answers for the first time or
        reports a change; not longer than ``timeout_s``."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._urgent.wait()
        self._urgent.clear()

    async def all_asked(self) -> None:
        """Wait until every node has answered once, or is found lost."""
        while not self.complete:
            self._raise_if_broken()
            await self.news(timeout_s=1.0)

    @property
    def complete(self) -> bool:
        """Whether every node has answered since this machine is awake, or is found lost."""
        return len(self._looks) == len(self._fleet.nodes) and not self._before_sleep

    def _raise_if_broken(self) -> None:
        """Raise what ended a polling task: a bug must not look like a fleet without news."""
        for task in self._tasks:
            if task.done() and not task.cancelled() and (error := task.exception()):
                raise error

    def _judged(self, name: str) -> Look:
        """The newest look, without rounds of echoes in which a finding broke the way; the same
        object while nothing of it changes."""
        look = self._looks.get(name, _NOT_ASKED)
        if name in self._before_sleep:
            look = _NOT_ASKED
        outages = self._outages.get(name)
        if look.facts is None or not outages:
            return look
        known = self._without.get(name)
        if known is None or known[0] is not look:
            known = self._without[name] = look, _without(look, look.facts, outages)
        return known[1]

    def _judge_beforehand(self, node: str) -> None:
        """What the newest look shows by itself; a snapshot, which judges all nodes in one go, then
        has less to do."""
        for judged in self._known_of:
            look = self._judged(node)
            jobs = self._jobs or (None,)
            beforehand(judged, jobs, judged.fleet.nodes[node], look, self._depth)

    def _kept_of(self, fleet: Fleet, expectations: Expectations) -> Judged:
        known = self._known_of
        for judged in known:
            if judged.fleet is fleet and judged.expectations is expectations:
                return judged
        # those of a fleet with other addresses, which DHCP gave, are of no use any more
        known[:] = [judged for judged in known if judged.fleet is fleet][: len(self._jobs)]
        known.append(Judged(fleet, expectations))
        return known[-1]

    def _expected(self, job: Job | None) -> tuple[Fleet, Expectations]:
        fleet, expectations = self._known()
        if job is None or job is self._job:
            return fleet, expectations
        if self._derived[0] is not fleet:
            self._derived = fleet, {}
        known = self._derived[1]
        if job.name not in known:
            derived = derive(fleet, job)
            alike = (one for one in (expectations, *known.values()) if one == derived)
            known[job.name] = next(alike, derived)  # what is found for one job goes for the other
        return fleet, known[job.name]

    def snapshot(
        self, chosen: Sequence[Instance] | None = None, job: Job | None = None
    ) -> Snapshot:
        """The fleet by the newest looks; nodes that have not answered yet are unknown, and so are
        those that have not since this machine is awake again.

        :param chosen: the instances to show; all of the job's by default.
        :param job: one of those beside the first; None: that one.
        """
        self._raise_if_broken()
        self._notice_sleep()
        job = job or self._job
        looks = {name: self._judged(name) for name in self._fleet.nodes}
        fleet, expectations = self._expected(job)
        checked = assess(
            fleet,
            job,
            expectations,
            looks,
            duration_s=max((look.took_s for look in looks.values()), default=0.0),
            depth=self._depth,
            chosen=chosen,
            standing=self._degraded,
            contacts=Contacts(self._contacts[job.name] if job else {}),
            lagging=self._lagging.get(job.name) if job else None,
            judged=self._kept_of(fleet, expectations),
        )
        self._degraded = checked.degraded
        if job:
            self._lagging[job.name] = {
                p.affects[0]: p for p in checked.status.problems if p.code == STRAGGLER.code
            }
        for reach in checked.broken:
            known = checked.facts.get(reach.node)
            if known and (rounds := known.network.rounds.get(reach.to)):
                outages = self._outages.setdefault(reach.node, {})
                if outages.get(reach.to) != rounds[-1].slot:
                    outages[reach.to] = rounds[-1].slot
                    self._without.pop(reach.node, None)
        waking = bool(self._before_sleep)
        return Snapshot(checked, dict(self._heard_at), self.complete, waking)


def _without(look: Look, facts: NodeFacts, outages: Mapping[IPv4Address, int]) -> Look:
    """``look`` without the rounds of echoes up to those of ``outages``; itself if it has none."""
    rounds = {
        to: tuple(r for r in found if r.slot > outages.get(to, -1))
        for to, found in facts.network.rounds.items()
    }
    if rounds == facts.network.rounds:
        return look
    return replace(look, facts=replace(facts, network=replace(facts.network, rounds=rounds)))
