"""What has to be done on a node, by comparing the files here with its copy. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec import Struct

from fleetctl.model.syncing import Entry
from fleetctl.sync.answer import Copy


class Plan(Struct, frozen=True):
    """What is sent and deleted, and what stands in the way."""

    send: tuple[str, ...]
    delete: tuple[str, ...]
    changed_there: tuple[str, ...]
    """Files that are no longer what the last sync left, or that none brought, and that would be
    overwritten or deleted."""
    alike: tuple[str, ...]
    """Such files too, but of a size that leaves open whether their content differs at all."""
    sent: Mapping[str, str]
    """For the next sync; see :class:`fleetctl.sync.answer.Copy`."""
    there: Mapping[str, Entry]
    """As ``sent``, without what is sent now: only the node can say that."""

    def emptied(self) -> Iterator[str]:
        """The folders that may be empty after the deletions, inner ones first."""
        folders = {folder for path in self.delete for folder in folders_of(path)}
        yield from sorted(folders, key=lambda folder: (-folder.count("/"), folder))


def folders_of(path: str) -> Iterator[str]:
    """The folders that ``path`` lies in, from the innermost on."""
    while path := posixpath.dirname(path):
        yield path


def compare(
    here: Mapping[str, Entry], copy: Copy, *, delete: bool, gone: Callable[[str], bool]
) -> Plan:
    """
    :param delete: whether to delete what an earlier sync brought and what is gone.
    :param gone: whether a path is no longer here at all, and not only left out by now.
    """
    send = [path for path, entry in here.items() if not _is_current(path, entry, copy)]
    left = [path for path in copy.there if path not in here and path in copy.now]
    in_the_way = _in_the_way(here, left)
    deleted = [path for path in left if path in in_the_way or (delete and gone(path))]
    emptied = {folder for path in deleted for folder in folders_of(path)}
    changed: list[str] = []
    alike: list[str] = []
    for path in [*send, *deleted]:
        now, then, entry = copy.now.get(path), copy.there.get(path), here.get(path)
        if now is None or (then and now.alike(then)):
            continue
        if now.kind == "other" and path in emptied:
            continue  # a folder, which goes if nothing is left in it
        if entry and entry.kind == "file" and now.alike(entry):
            continue  # only its mode differs
        same_size = entry and now.kind == entry.kind and now.size == entry.size
        (alike if same_size else changed).append(path)
    unsent = here.keys() - send
    kept = {path: copy.there[path] for path in left if path not in deleted}
    return Plan(
        tuple(send),
        tuple(deleted),
        tuple(changed),
        tuple(alike),
        {path: entry.digest for path, entry in here.items()},
        {**{path: copy.now[path] for path in here if path in unsent}, **kept},
    )


def _in_the_way(here: Mapping[str, Entry], left: Sequence[str]) -> set[str]:
    """Files of earlier syncs where a folder is by now, or in a folder that is a file by now."""
    folders = {folder for path in here for folder in folders_of(path)}
    return {p for p in left if p in folders or any(folder in here for folder in folders_of(p))}


def _is_current(path: str, entry: Entry, copy: Copy) -> bool:
    now, then = copy.now.get(path), copy.there.get(path)
    if now is None:
        return False
    if path in copy.sent and now == then:
        return copy.sent[path] == entry.digest
    return entry.kind == "file" and now.alike(entry) and now.mode == entry.mode
