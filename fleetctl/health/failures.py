"""Which instance failed first, where several did within seconds: the others may follow from it.
Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from fleetctl.model.facts import NodeFacts
from fleetctl.model.jobs import Job
from fleetctl.model.status import ServiceStatus

TOGETHER_S = 10.0
"""Instances fail together if none of them does later than this after another."""


class Moment(Struct, frozen=True):
    """When something happened, by the controller's clock, as well as clocks tell."""

    at: datetime
    error_s: float
    """By how much more or less it may be."""

    def surely_before(self, other: Moment) -> bool:
        """Whether it was before ``other``, however wrong both may be."""
        return _s(self.at, other.at) > self.error_s + other.error_s


class _End(Struct, frozen=True):
    name: str
    when: Moment

    @property
    def at(self) -> datetime:
        return self.when.at


def in_order_of_failure(
    job: Job, statuses: Mapping[str, ServiceStatus], facts: Mapping[str, NodeFacts]
) -> dict[str, str]:
    """By instance that failed together with others: which was the first, as a clause. Nothing where
    the moments are not known well enough to tell."""
    found = {}
    for group in _together(_ends(job, statuses, facts)):
        first, *others = group
        if not others or not all(first.when.surely_before(o.when) for o in others):
            continue
        names = others[0].name if len(others) == 1 else f"{len(others)} others"
        found[first.name] = f"it failed first, {_s(first.at, others[0].at):.1f} s before {names}"
        for other in others:
            found[other.name] = f"{first.name} failed first, {_s(first.at, other.at):.1f} s before"
    return found


def _ends(
    job: Job, statuses: Mapping[str, ServiceStatus], facts: Mapping[str, NodeFacts]
) -> list[_End]:
    found = []
    for instance in job.instances:
        status, told = statuses.get(instance.name), facts.get(instance.node)
        if status is None or told is None or status.state not in ("failed", "restarting"):
            continue
        record = told.records.get((instance.job, instance.name))
        if record and status.ended_at and record.ended_error_s is not None:
            when = Moment(status.ended_at, record.ended_error_s)
            found.append(_End(instance.name, when))
    return sorted(found, key=lambda end: end.at)


def _together(ends: Sequence[_End]) -> Iterator[list[_End]]:
    """``ends``, which are sorted, in groups of those that come shortly after one another."""
    group: list[_End] = []
    for end in ends:
        if group and _s(group[-1].at, end.at) > TOGETHER_S:
            yield group
            group = []
        group.append(end)
    if group:
        yield group


def _s(one: datetime, later: datetime) -> float:
    return (later - one).total_seconds()
