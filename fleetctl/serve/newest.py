"""What a server knows of the fleet by its newest looks, ready to be sent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta
from functools import cached_property

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from fleetctl.health.all_jobs import together
from fleetctl.medians import median
from fleetctl.model.jobs import Job
from fleetctl.model.node_status import NodeStatus
from fleetctl.model.status import FleetStatus, JobStatus
from fleetctl.model.targets import ALL_JOBS, choose_in_each
from fleetctl.model.topology import Fleet
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


MOST_TOLD = 64
"""So many questions are answered from what was made ready for them."""


class UnknownJob(Exception):
    """It is none of those that are watched."""


class Question(Struct, frozen=True):
    """What a status is to be about."""

    job: str | None = None
    """None: the first; :data:`~fleetctl.model.targets.ALL_JOBS`, if none is called so: each."""
    targets: tuple[str, ...] = ()
    """The instances that are listed; none: all."""


class _Told:
    """One status.

    :param asked_s: by node: when the look in it began, by time.monotonic().
    :param made_s: when it was judged, by the same; None: now.
    """

    def __init__(
        self, status: FleetStatus, asked_s: dict[str, float], made_s: float | None = None
    ) -> None:
        self.status = status
        self.healthy = status.healthy
        self.asked_s = asked_s
        self.lost = frozenset(n for n, node in status.nodes.items() if _is_not_asked(node))
        self.made_s = time.monotonic() if made_s is None else made_s

    @property
    def answer(self) -> tuple[bool, bytes]:
        """Whether the fleet is healthy, and :attr:`json`."""
        return self.healthy, self.json

    @cached_property
    def json(self) -> bytes:
        """As ``status --json`` prints it, of the time of the oldest look at a node that answers."""
        looks = [at_s for node, at_s in self.asked_s.items() if node not in self.lost]
        age = timedelta(seconds=max(0.0, self.made_s - min(looks, default=self.made_s)))
        status = replace(self.status, generated_at=self.status.generated_at - age)
        return msgspec.json.format(msgspec.json.encode(status)) + b"\n"


def _is_not_asked(node: NodeStatus) -> bool:
    """Whether it was tried in vain: it is tried again after pauses."""
    return node.ssh.reachable is False or (node.state == "unknown" and node.ssh.error is not None)


def _used(job: Job, known: JobStatus) -> bool:
    """Whether anything of it runs, waits or has ended, as far as that is known, beside what is
    started by hand."""
    started = (known.services[i.name] for i in job.instances if i.command is not None)
    return any(service.state not in ("stopped", "unknown") for service in started)


def _all_of(each: Sequence[_Told]) -> _Told:
    """One of all jobs, by the oldest look at each node."""
    asked_s = {node: min(one.asked_s[node] for one in each) for node in each[0].asked_s}
    return _Told(together([one.status for one in each]), asked_s, each[0].made_s)


class Newest:
    """Keeps the newest status of each job that is watched, of all together, and of what was asked
    for; each is of looks that it says the age of.

    :param watch: of ``jobs``.
    :param jobs: the first is what is meant where none is named; none: the fleet has no job.
    :param interval_s: seconds from one look to the next.
    """

    def __init__(self, watch: Watch, fleet: Fleet, jobs: Sequence[Job], interval_s: float) -> None:
        self._watch = watch
        self._fleet = fleet
        self._jobs = {job.name: job for job in jobs}
        self._nodes = frozenset(fleet.nodes)
        self._interval_s = interval_s
        self._bound_s = max(LEAST_S, INTERVALS * interval_s)
        self._asked_s: dict[str, float] = {}
        self._pauses_s: dict[str, float] = {}
        """By node: from the look before the newest one that was seen to that."""
        self._first: _Told | None = None
        """Of the first job."""
        self._told: dict[Question, _Told] = {}
        """What was asked for since then."""
        self._touched_s: dict[str, float] = {}
        """By node: when a client last did something there."""

    def snapshot(self) -> Snapshot:
        """The fleet now, which is what is told from now on: of the only job that is watched, else
        of all.

        What is wrong for a job that nothing runs of, and that is not the first, is left out: it may
        be meant for later, or for another day.
        """
        asked_s = dict(self._watch.asked_s)
        self._measure(asked_s)
        found = self._watch.snapshot()
        beside = list(self._jobs.items())[1:]
        used = [name for name, job in beside if _used(job, found.status.jobs[name])]
        others = {name: self._watch.snapshot(job=self._jobs[name]).status for name in used}
        if found.complete:
            self._first = _Told(found.status, asked_s)
            self._told = {Question(name): _Told(one, asked_s) for name, one in others.items()}
        if len(self._jobs) < 2:
            return found
        whole = together([found.status, *others.values()])
        return replace(found, checked=replace(found.checked, status=whole))

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

    @property
    def first_job(self) -> str | None:
        """The name of the first job that is watched."""
        return next(iter(self._jobs), None)

    async def json(self, asked: Question) -> tuple[bool, bytes] | None:
        """Whether the fleet is healthy, and its status as ``status --json`` prints it; None: not
        all of it is new enough, and was not within :data:`WAIT_S`, or not all of it is asked.

        :raises UnknownJob: the job is not watched.
        :raises UsageError: a target is nothing that is in nodes.yaml.
        """
        if not self._has(asked.job):
            raise UnknownJob(asked.job)
        if self._first and not self._old(self._first.asked_s, self._first.lost):
            return self._answer(asked)
        for node in self._old(self._watch.asked_s, frozenset()):
            self._watch.ask(node)
        deadline_s = time.monotonic() + WAIT_S
        while self._old(self._watch.asked_s, self._first.lost if self._first else frozenset()):
            if time.monotonic() >= deadline_s:
                return None
            await asyncio.sleep(_POLL_S)
        self.snapshot()
        if self._first is None or self._old(self._first.asked_s, self._first.lost):
            return None
        return self._answer(asked)

    def _has(self, job: str | None) -> bool:
        if job == ALL_JOBS and job not in self._fleet.jobs:
            return self._fleet.jobs.keys() == self._jobs.keys()
        name = next(iter(self._fleet.jobs), None) if job is None else job
        return name in self._jobs or not (name or self._jobs)

    def _answer(self, asked: Question) -> tuple[bool, bytes] | None:
        """:raises UsageError: a target is nothing that is in nodes.yaml."""
        told = self._tell(asked)
        return None if self._leaves_out(told.status) else told.answer

    def _leaves_out(self, status: FleetStatus) -> bool:
        """Whether something that is started by hand is not asked, since its job is not the first,
        and nothing else of it runs."""
        return any(
            instance.command is None and found.services[instance.name].state == "unknown"
            for name, found in status.asked_jobs.items()
            for instance in (self._jobs[name].instances if name != self.first_job else ())
            if instance.name in found.services
        )

    def _tell(self, asked: Question) -> _Told:
        """:raises UsageError: a target is nothing that is in nodes.yaml."""
        if not asked.targets and asked.job in (None, self.first_job) and self._first:
            return self._first
        told = self._told.get(asked)
        if told is None:
            if len(self._told) >= MOST_TOLD:
                self._told.clear()
            told = self._told[asked] = self._made(asked)
        return told

    def _made(self, asked: Question) -> _Told:
        """What is not ready yet, from the looks that there are now."""
        of_all = asked.job == ALL_JOBS and asked.job not in self._fleet.jobs
        if of_all and not asked.targets:
            return _all_of([self._tell(Question(name)) for name in self._jobs or (None,)])
        name = asked.job or self.first_job
        jobs: list[Job | None] = [*self._jobs.values()] or [None]
        if not of_all and name:
            jobs = [self._jobs[name]]
        chosen = choose_in_each(self._fleet, jobs, asked.targets)
        asked_s = dict(self._watch.asked_s)
        found = [self._watch.snapshot(*pair).status for pair in zip(chosen, jobs, strict=True)]
        return _Told(together(found) if of_all else found[0], asked_s)

    def _old(self, asked_s: dict[str, float], lost: frozenset[str]) -> list[str]:
        """The nodes whose look is too old, or from before something was done there."""
        now_s = time.monotonic()
        never = float("-inf")

        def old(node: str) -> bool:
            began_s = asked_s.get(node, never)
            bound_s = LOST_S if node in lost else self._bound_s
            return now_s - began_s > bound_s or began_s <= self._touched_s.get(node, never)

        return [node for node in self._nodes if old(node)]
