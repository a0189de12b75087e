"""What a sync found and did on nodes, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fleetctl.escaping import visible
from fleetctl.model.syncing import NodeSync, Shared
from fleetctl.quantities import count, first_ones, size

NAMED = 5
"""So many files are named in a line."""


def sync_line(result: NodeSync) -> str:
    """What became of a node."""
    return f"{result.node}: {_what(result)}"


def _what(result: NodeSync) -> str:
    if result.state == "changed there":
        return (
            f"changed there, and nothing is sent: {_named(result.changed_there)}. "
            "To overwrite that: --force"
        )
    if result.state == "same":
        return "nothing to do"
    parts = []
    if result.files:
        parts.append(f"{count(len(result.files), 'file')} ({size(result.size_bytes)}) sent")
    if result.deleted:
        parts.append(f"{len(result.deleted)} deleted")
    if result.shared:
        parts.append(_shared(result.shared))
    return ", ".join(parts)


def _shared(shared: Shared) -> str:
    source = shared.source or "this machine"
    text = f"{count(len(shared.files), 'file')} ({size(shared.size_bytes)}) from {source}"
    if shared.seconds:
        text += f", {shared.size_bytes / 1e6 / shared.seconds:.0f} MB/s"
    return f"{text} ({shared.note})" if shared.note else text


def _named(paths: Sequence[str]) -> str:
    return first_ones(list(map(visible, paths)), NAMED)


def dry_lines(results: Sequence[NodeSync]) -> Iterator[str]:
    """What would be done, once for all nodes of which it is the same."""
    groups: dict[tuple[object, ...], list[NodeSync]] = {}
    for result in results:
        shared = result.shared.files if result.shared else ()
        what = (result.state, result.files, result.deleted, result.changed_there, shared)
        groups.setdefault(what, []).append(result)
    for group in groups.values():
        first = group[0]
        yield f"── {', '.join(result.node for result in group)}"
        if first.state != "would sync":
            yield _what(first)
            continue
        yield from (f"send    {visible(path)}" for path in first.files)
        yield from (f"delete  {visible(path)}" for path in first.deleted)
        parts = [f"{count(len(first.files), 'file')} ({size(first.size_bytes)}) to send"]
        if first.shared:
            yield from (f"share   {visible(path)}" for path in first.shared.files)
            number = count(len(first.shared.files), "file")
            parts.append(f"{number} ({size(first.shared.size_bytes)}) to share")
        if first.deleted:
            parts.append(f"{len(first.deleted)} to delete")
        yield ", ".join(parts)
