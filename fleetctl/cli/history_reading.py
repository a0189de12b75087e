"""What ``fleetctl history`` shows, from the history's file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from fleetctl.cli.context import Context
from fleetctl.errors import FleetctlError, UsageError
from fleetctl.history.store import LEVELS, Store, Watched, history_path
from fleetctl.marks import mark
from fleetctl.model.events import Event
from fleetctl.model.history_targets import means, means_event, unknown
from fleetctl.model.samples import METRICS, Point, Series, SeriesKind
from fleetctl.model.topology import Fleet

STRETCHES = 100
"""At least so many are read, if they are kept, so that figures mean something."""
_KEPT = "It is kept while `fleetctl serve` runs here, or a dashboard is open."
PROBLEM_DAYS = 30
"""How much earlier a problem may have begun that is told."""
USUAL: Mapping[SeriesKind, tuple[str, ...]] = {
    "link": ("rtt_ms", "loss_percent"),
    "node": ("reachable", "load1", "memory_percent", "temperature_c"),
    "instance": ("state", "steps_per_s"),
    "job": (),
}
"""What is shown of a whole fleet."""


class Found(Struct, frozen=True):
    """What is kept of a stretch of time."""

    fleet: Fleet
    since: datetime
    until: datetime
    points: Mapping[Series, Sequence[Point]]
    watched: Sequence[Watched]
    problems: Sequence[Event]
    note: str = ""


def read(
    context: Context,
    targets: Sequence[str],
    time: tuple[datetime, datetime],
    metrics: frozenset[str],
    step_s: float | None,
) -> Found:
    """
    :raises UsageError: a target means nothing.
    :raises FleetctlError: there is no history, or it cannot be read.
    """
    from fleetctl.config import find, load

    fleet = load(find(context.config_path))
    if not history_path(fleet.name).exists():
        raise _nothing(fleet)
    since, until = time
    since_s, until_s = since.timestamp(), until.timestamp()
    step = step_s or (until_s - since_s) / STRETCHES
    store = Store(fleet.name, reading=True)
    try:
        kept = [one for one in store.series() if _of_job(context, fleet, one)]
        _require(fleet, targets, kept)
        chosen = [s for s in kept if means(targets, s) and _shown(s, targets, metrics)]
        points = store.points(
            since_s,
            until_s,
            subjects={s.subject for s in chosen},
            metrics={s.metric for s in chosen},
            step_s=max(step, LEVELS[0]),
        )
        events = store.events(since - timedelta(days=PROBLEM_DAYS), until)
        return Found(
            fleet,
            since,
            until,
            {s: points[s] for s in _in_order(fleet, chosen) if s in points},
            store.watched(since_s, until_s),
            [e for e in events if _is_problem(e, since) and means_event(targets, e)],
        )
    finally:
        store.close()


def _nothing(fleet: Fleet) -> FleetctlError:
    return FleetctlError(f"there is no history of {fleet.name} on this machine yet", hint=_KEPT)


def _of_job(context: Context, fleet: Fleet, series: Series) -> bool:
    """Whether --job leaves it in."""
    if context.job is None or context.means_all(fleet):
        return True
    job = series.subject.rpartition("/")[0] if series.kind == "instance" else series.subject
    return series.kind in ("link", "node") or job == context.job


def _require(fleet: Fleet, targets: Sequence[str], kept: Sequence[Series]) -> None:
    for target in unknown(targets, kept):
        names = [*fleet.nodes, *(i.name for job in fleet.jobs.values() for i in job.instances)]
        names += [name for job in fleet.jobs.values() for name in job.services]
        if target in (*names, *fleet.jobs):
            raise FleetctlError(f"there is no history of {target} yet", hint=_KEPT)
        raise UsageError(
            f"{target!r} is no node, link, service or instance of which there is history",
            hint=_nearest(target, kept),
        )


def _nearest(target: str, kept: Sequence[Series]) -> str:
    from difflib import get_close_matches

    order: tuple[SeriesKind, ...] = ("node", "instance", "link", "job")
    names = list(dict.fromkeys(s.subject for kind in order for s in kept if s.kind == kind))
    if close := get_close_matches(target, names, n=1):
        return f"Did you mean {close[0]!r}?"
    told = ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
    return f"There are: {told or 'none'}."


def _shown(series: Series, targets: Sequence[str], metrics: frozenset[str]) -> bool:
    if metrics:
        return series.metric in metrics
    return bool(targets) or series.metric in USUAL[series.kind]


def _in_order(fleet: Fleet, chosen: Sequence[Series]) -> list[Series]:
    """By kind and metric as in :data:`METRICS`, then by nodes as in nodes.yaml."""
    kinds = list(METRICS)
    nodes = {name: place for place, name in enumerate(fleet.nodes)}

    def place(series: Series) -> tuple[int, int, int, str]:
        known = METRICS[series.kind]
        metric = known.index(series.metric) if series.metric in known else len(known)
        node = series.subject.rpartition("@")[2].partition(":")[0]
        return kinds.index(series.kind), metric, nodes.get(node, len(nodes)), series.subject

    return sorted(chosen, key=place)


def _is_problem(event: Event, since: datetime) -> bool:
    """Also one that is told by how its node or instance was: it has the problem's code."""
    bad = bool(event.code) and not event.part_of and mark(event.state).tone not in ("good", "busy")
    return bad and (event.until is None or event.until >= since)
