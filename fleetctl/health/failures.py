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


class _End(Struct, frozen=True):
    name: str
    at: datetime
    """By the controller's clock."""
    error_s: float


def in_order_of_failure(
    job: Job, statuses: Mapping[str, ServiceStatus], facts: Mapping[str, NodeFacts]
) -> dict[str, str]:
    """By instance that failed together with others: which was the first, as a clause. Nothing where
    the moments are not known well enough to tell."""
    found = {}
    for group in _together(_ends(job, statuses, facts)):
        first, *others = group
        if not others or any(_s(first, o) <= first.error_s + o.error_s for o in others):
            continue
        names = others[0].name if len(others) == 1 else f"{len(others)} others"
        found[first.name] = f"it failed first, {_s(first, others[0]):.1f} s before {names}"
        for other in others:
            found[other.name] = f"{first.name} failed first, {_s(first, other):.1f} s before"
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
            found.append(_End(instance.name, status.ended_at, record.ended_error_s))
    return sorted(found, key=lambda end: end.at)


def _together(ends: Sequence[_End]) -> Iterator[list[_End]]:
    """``ends``, which are sorted, in groups of those that come shortly after one another."""
    group: list[_End] = []
    for end in ends:
        if group and _s(group[-1], end) > TOGETHER_S:
            yield group
            group = []
        group.append(end)
    if group:
        yield group


def _s(one: _End, later: _End) -> float:
    return (later.at - one.at).total_seconds()
