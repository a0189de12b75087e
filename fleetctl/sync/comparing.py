"""Compares the files here with the copy on a node, and puts there into place what was sent."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from msgspec import Struct

from fleetctl.link.protocol import Link
from fleetctl.model.syncing import SyncError
from fleetctl.quantities import size
from fleetctl.sync.answer import Copy, read_copy
from fleetctl.sync.node_files import Place, placing
from fleetctl.sync.plan import Plan, compare
from fleetctl.sync.tree import Tree

_LOOK_TIMEOUT_S = 120.0
_PLACE_TIMEOUT_S = 300.0
_MOST_BYTES = 64 * 1024 * 1024


class Difference(Struct, frozen=True):
    """What has to be done on a node."""

    copy: Copy
    plan: Plan
    size_bytes: int
    """Of the files to send."""
    changed_there: tuple[str, ...]
    """Files that were changed there, and that would be overwritten or deleted."""

    @property
    def only_noted(self) -> bool:
        """Whether nothing is to be sent or deleted, but what the node has noted is not so."""
        plan, copy = self.plan, self.copy
        done = not (plan.send or plan.delete)
        return done and not (plan.sent == copy.sent and plan.there == copy.there)


class Comparing:
    """Compares ``tree`` with copies of it.

    :param delete: whether what an earlier sync brought and what is gone is to be deleted.
    """

    def __init__(self, tree: Tree, *, delete: bool) -> None:
        self.tree = tree
        self._delete = delete
        self._key = tree.key
        self._names = _lines(tree.files)

    async def difference(self, link: Link, place: Place, workdir: str) -> Difference | None:
        """What has to be done; None: nothing, and all is noted.

        :param workdir: as in nodes.yaml.
        :raises SyncError: nothing can be copied there.
        :raises LinkError: the node is lost.
        """
        copy = await self._look(link, place, workdir)
        if copy.same:
            return None
        plan = await asyncio.to_thread(
            compare, self.tree.files, copy, delete=self._delete, gone=self.tree.gone
        )
        changed = (*plan.changed_there, *await self._differing(link, place, plan))
        size_bytes = sum(self.tree.files[path].size for path in plan.send)
        return Difference(copy, plan, size_bytes, changed)

    async def put_in_place(self, link: Link, place: Place, plan: Plan) -> None:
        """Do what ``plan`` says with what is in the stage, and note it there.

        :raises SyncError: something could not be put into its place.
        :raises LinkError: the node is lost.
        """
        text = placing(plan, self._key).encode("utf-8", "surrogateescape")
        done = await link.run(place.place, stdin=text, timeout_s=_PLACE_TIMEOUT_S)
        if done.exit_status:
            reason = done.error_text.partition("\n")[0]
            raise SyncError(
                link.node,
                f"not all files could be put into their places: {reason}",
                hint="Sync again once that is settled: what is in its place is not sent again.",
            )

    async def _look(self, link: Link, place: Place, workdir: str) -> Copy:
        done = await link.run(
            place.look(self._key),
            stdin=self._names,
            timeout_s=_LOOK_TIMEOUT_S,
            most_bytes=_MOST_BYTES,
        )
        copy = read_copy(done.stdout.decode("utf-8", "surrogateescape"))
        if copy.fault == "file":
            raise SyncError(
                link.node,
                f"its workdir {workdir} is no folder",
                hint="Move away what is there, or change workdir in nodes.yaml.",
            )
        if copy.fault == "unwritable":
            raise SyncError(
                link.node,
                f"the account may not write into its workdir {workdir}",
                hint=f"See fleetctl exec {link.node} -- ls -ld {workdir}",
            )
        if done.exit_status and not copy.folder and copy.fault is None:
            raise SyncError(link.node, f"its workdir {workdir} cannot be read: {done.error_text}")
        return copy

    async def _differing(self, link: Link, place: Place, plan: Plan) -> tuple[str, ...]:
        """Of files whose sizes are alike those whose content is not."""
        if not plan.alike:
            return ()
        done = await link.run(
            place.digest,
            stdin=_lines(plan.alike),
            timeout_s=_PLACE_TIMEOUT_S,
            most_bytes=_MOST_BYTES,
        )
        said = done.stdout.decode("utf-8", "surrogateescape").split("\n")
        here = await asyncio.to_thread(self.tree.digests, plan.alike)
        return tuple(
            path
            for path, mine, theirs in zip(plan.alike, here, [*said, *plan.alike], strict=False)
            if mine != theirs
        )


def check_space(node: str, found: Difference) -> None:
    """
    :raises SyncError: what is to be sent does not fit on the node's disk.
    """
    free = found.copy.free_bytes
    if free is not None and free < found.size_bytes:
        raise SyncError(
            node,
            f"its disk has {size(free)} free, and {size(found.size_bytes)} are to be sent; "
            "nothing was changed",
            hint=f"Free some space: fleetctl exec {node} -- df -h",
        )


def _lines(paths: Iterable[str]) -> bytes:
    return "".join(f"{path}\n" for path in paths).encode("utf-8", "surrogateescape")
