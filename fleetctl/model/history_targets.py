"""The TARGETs of what is kept over time: nodes, links, instances, services, jobs. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from fleetctl.model.events import Event
from fleetctl.model.samples import Series, SeriesKind


def names_of(kind: SeriesKind, subject: str) -> Iterator[str]:
    """By what a target may mean it; a node means all that is there or goes out from it.

    A link ``mini1:pi4/fabric`` is also ``mini1:pi4``; an instance ``train/worker@pi4`` is also
    ``worker@pi4``, ``worker`` and ``train``.
    """
    yield subject
    match kind:
        case "link":
            ends = subject.partition("/")[0]
            yield ends
            yield ends.partition(":")[0]
        case "instance":
            job, _, instance = subject.rpartition("/")
            service, _, node = instance.partition("@")
            yield from (instance, service, node, job)
        case "node" | "job":
            pass


def means(targets: Sequence[str], series: Series) -> bool:
    """Whether one of ``targets``, which may be shell patterns, means it; none mean everything."""
    return not targets or _any(targets, names_of(series.kind, series.subject))


def means_event(targets: Sequence[str], event: Event) -> bool:
    """Whether an event is about what one of ``targets`` means."""
    names = [event.subject, event.node or "", event.subject.partition("@")[0], event.job or ""]
    return not targets or _any(targets, filter(None, names))


def unknown(targets: Sequence[str], kept: Sequence[Series]) -> list[str]:
    """The targets that mean nothing of what is kept."""
    return [t for t in targets if not any(means([t], one) for one in kept)]


def _any(targets: Sequence[str], names: Iterator[str]) -> bool:
    return any(fnmatchcase(name, target) for name in names for target in targets)
