"""What a sync found and did on nodes, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fleetctl.escaping import visible
from fleetctl.model.syncing import NodeSync
from fleetctl.quantities import count, size

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
    return ", ".join(parts)


def _named(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - NAMED} more" if len(paths) > NAMED else ""
    return ", ".join(map(visible, paths[:NAMED])) + more


def dry_lines(results: Sequence[NodeSync]) -> Iterator[str]:
    """What would be done, once for all nodes of which it is the same."""
    groups: dict[tuple[object, ...], list[NodeSync]] = {}
    for result in results:
        what = (result.state, result.files, result.deleted, result.changed_there)
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
        if first.deleted:
            parts.append(f"{len(first.deleted)} to delete")
        yield ", ".join(parts)
