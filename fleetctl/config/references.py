"""Reads ``on`` and ``after`` of a service: the nodes and services that it names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fleetctl.config.report import Report, TreePath, nearest
from fleetctl.config.restart import policy
from fleetctl.config.shape.entry import given
from fleetctl.config.shape.services import ServiceEntry
from fleetctl.model.jobs import Until


def known_names(
    path: TreePath,
    written: str | Sequence[str] | Mapping[str, object],
    kind: str,
    names: Mapping[str, object],
    report: Report,
) -> tuple[str, ...]:
    """Those of ``written`` that are in ``names``, each once; mistakes go into ``report``.

    :param kind: what they are names of, such as ``node``.
    """
    key = path[-1]
    known: dict[str, None] = {}
    for index, name in enumerate([written] if isinstance(written, str) else written):
        place = path if isinstance(written, str) else (*path, index)
        if isinstance(written, Mapping):
            place = (*path, name)
        if not name:
            continue  # reported already
        if name not in names:
            report.mistake(
                place,
                f"unknown {kind} {name!r} in {key}{nearest(name, names)}",
                key=isinstance(written, Mapping),
            )
        elif name in known:
            report.mistake(place, f"{kind} {name!r} is listed twice in {key}")
        else:
            known[name] = None
    return tuple(known)


def read_after(
    entry: ServiceEntry, services: Mapping[str, ServiceEntry], path: TreePath, report: Report
) -> tuple[str, ...]:
    """The services that it starts after, each once; mistakes go into ``report``.

    :param services: those of its job.
    """
    known = known_names(path, entry.after or [], "service", services, report)
    said = entry.after if isinstance(entry.after, dict) else {}
    for name, until in said.items():
        other = services.get(name)
        if other is None or until != "exited-ok":
            continue
        if given(other.command, None) is None:
            why = "is started by hand"
        elif policy(other) == "always":
            why = "has restart always"
        else:
            continue
        what = f"after waits until service {name!r} has exited, but it {why}, so it never will"
        report.mistake((*path, name), what)
    return known


def read_until(entry: ServiceEntry, services: Mapping[str, ServiceEntry]) -> dict[str, Until]:
    """What is waited for of services, where it is not that they are ready: of one that runs
    once, and has nothing to be ready by, that it is done.

    :param services: those of its job.
    """
    if isinstance(entry.after, dict):
        return {name: until for name, until in entry.after.items() if until != "ready"}
    names = [entry.after] if isinstance(entry.after, str) else entry.after or []
    others = {name: services[name] for name in names if name in services}
    return {
        name: "exited-ok"
        for name, other in others.items()
        if given(other.once, False) and not other.ready and given(other.listen, None) is None
    }
