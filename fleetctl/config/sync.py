"""Reads what ``sync`` of a job says about its code, and where it goes on each node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from fleetctl.config.report import Report
from fleetctl.config.shape import SyncEntry, given
from fleetctl.model.jobs import Job, Sync
from fleetctl.model.topology import Fleet


class Locate(Protocol):
    """Resolves a path of nodes.yaml on this machine."""

    def __call__(self, written: str) -> str:
        """The absolute path.

        :raises OSError: this process has no working directory.
        :raises RuntimeError: the path begins with ``~``, and there is no home folder.
        """


def read_sync(
    job: Job, entry: SyncEntry | None, fleet: Fleet, locate: Locate, report: Report
) -> Sync | None:
    """The ``sync`` of ``job``; mistakes go into ``report``.

    :param locate: resolves the path of its folder.
    """
    if entry is None:
        return None
    path = ("jobs", job.name, "sync")
    written = given(entry.source, ".")
    try:
        source = locate(written)
    except (RuntimeError, OSError) as error:  # no home folder; no working directory
        report.mistake((*path, "from"), f"from {written!r}: {error}")
        source = written
    for index, pattern in enumerate(entry.exclude or []):
        if pattern.startswith("!"):
            what = f"exclude {pattern!r}: a pattern names what is left out, and '!' takes none back"
            report.mistake((*path, "exclude", index), what)
    workdirs = _workdirs(job, fleet)
    for node in dict.fromkeys(instance.node for instance in job.instances):
        if node not in workdirs and fleet.nodes[node].connection != "none":
            what = (
                f"sync of job {job.name!r} needs a workdir of node {node!r} to copy into; "
                "give the node one, or defaults"
            )
            report.mistake(path, what, key=True)
    return Sync(source, workdirs, tuple(entry.exclude or ()), given(entry.delete, False))


def _workdirs(job: Job, fleet: Fleet) -> Mapping[str, str]:
    """By node: its own workdir, else the one that all instances of ``job`` have there."""
    found = {}
    for name, node in fleet.nodes.items():
        of_instances = {instance.workdir for instance in job.on(name)}
        workdir = node.workdir or (of_instances.pop() if len(of_instances) == 1 else None)
        if workdir and node.connection != "none":
            found[name] = workdir
    return found
