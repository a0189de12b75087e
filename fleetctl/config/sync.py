"""Reads what ``sync`` and ``prepare`` of a job say about its code, and where it is on each node."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Protocol

from fleetctl.config.placeholders import NodeScope
from fleetctl.config.report import Report, TreePath, nearest
from fleetctl.config.shape.entry import given
from fleetctl.config.shape.jobs import JobEntry, SyncEntry
from fleetctl.model.jobs import Job, Prepare, Share, Sync
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
    workdirs = _workdirs(job, fleet, path, "to copy into", report)
    share = _share(entry, fleet, path, report)
    return Sync(source, workdirs, tuple(entry.exclude or ()), given(entry.delete, False), share)


def _share(entry: SyncEntry, fleet: Fleet, path: TreePath, report: Report) -> Share | None:
    written, over = given(entry.share, None), given(entry.over, None)
    if written is None or over is None:
        for key, value, other in (("share", written, "over"), ("over", over, "share")):
            if value is not None and not report.wrong(*path, other):
                report.mistake((*path, key), f"{key} needs {other}", key=True)
        return None
    if over not in fleet.networks and not report.incomplete(("networks",), ()):
        what = f"over {over!r} is no network{nearest(over, fleet.networks)}"
        report.mistake((*path, "over"), what)
    if not written:
        report.mistake((*path, "share"), "share names nothing")
    paths = []
    for index, name in enumerate([written] if isinstance(written, str) else written):
        place = (*path, "share") if isinstance(written, str) else (*path, "share", index)
        found = posixpath.normpath(name)
        if found.startswith(("/", "~")) or found.split("/")[0] in (".", "..") or "\n" in found:
            what = f"share {name!r}: it must be a path in the folder of from, and not all of it"
            report.mistake(place, what)
        paths.append(found)
    return Share(tuple(dict.fromkeys(paths)), over)


def read_prepare(job: Job, entry: JobEntry, fleet: Fleet, report: Report) -> Prepare | None:
    """The ``prepare`` of ``job``; mistakes go into ``report``."""
    path = ("jobs", job.name)
    command = given(entry.prepare, None)
    if command is None:
        if entry.prepare_on is not None and not report.wrong(*path, "prepare"):
            what = f"prepare_on of job {job.name!r} needs a prepare, the line that is run"
            report.mistake((*path, "prepare_on"), what, key=True)
        return None
    workdirs = _workdirs(job, fleet, (*path, "prepare"), "to run in", report)
    for index, name in enumerate(entry.prepare_on or []):
        if "\n" in name:
            report.mistake((*path, "prepare_on", index), f"{name!r} has a line break in it")
    lines = {
        name: NodeScope(fleet, fleet.nodes[name], report).fill(command, (*path, "prepare"))
        for name in dict.fromkeys(instance.node for instance in job.instances)
        if name in workdirs
    }
    changed = {name: line for name, line in lines.items() if line != command}
    return Prepare(command, tuple(entry.prepare_on or ()), workdirs, changed)


def _workdirs(
    job: Job, fleet: Fleet, path: TreePath, purpose: str, report: Report
) -> Mapping[str, str]:
    """By node: its own workdir, else the one that all instances of ``job`` have there; a node of
    the job without one is a mistake at ``path``."""
    found = {}
    for name, node in fleet.nodes.items():
        of_instances = {instance.workdir for instance in job.on(name)}
        workdir = node.workdir or (of_instances.pop() if len(of_instances) == 1 else None)
        if workdir and node.connection != "none":
            found[name] = workdir
    for name in dict.fromkeys(instance.node for instance in job.instances):
        if name not in found and fleet.nodes[name].connection != "none":
            what = (
                f"{path[-1]} of job {job.name!r} needs a workdir of node {name!r} {purpose}; "
                "give the node one, or defaults"
            )
            report.mistake(path, what, key=True)
    return found
