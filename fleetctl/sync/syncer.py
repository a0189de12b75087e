"""Copying the code of a job to its nodes, side by side."""

from __future__ import annotations

import asyncio
import secrets
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from msgspec.structs import replace

from fleetctl.errors import FleetctlError, LinkError
from fleetctl.escaping import visible
from fleetctl.finishing import to_the_end
from fleetctl.link.links import Links
from fleetctl.link.mistakes import of_node
from fleetctl.link.protocol import Link
from fleetctl.model.jobs import Job
from fleetctl.model.syncing import NodeSync, SyncError, Way
from fleetctl.quantities import size
from fleetctl.sync import tarball
from fleetctl.sync.answer import Copy, read_copy
from fleetctl.sync.node_files import Place, placing
from fleetctl.sync.plan import Plan, compare
from fleetctl.sync.rsync import Rsync, RsyncUnusable
from fleetctl.sync.tree import STAGE, Tree

_AT_ONCE = 32
"""So many nodes are sent to at the same time: each has an rsync on this machine."""
_LOOK_TIMEOUT_S = 120.0
_PLACE_TIMEOUT_S = 300.0
_DISCARD_TIMEOUT_S = 20.0
_MOST_BYTES = 64 * 1024 * 1024


class Syncer:
    """One run of ``fleetctl sync``. Use as an async context manager.

    :param force: overwrite and delete what was changed on a node, too.
    """

    def __init__(
        self, fleet: str, job: Job, tree: Tree, links: Links, *, dry_run: bool, force: bool
    ) -> None:
        self._fleet = fleet
        self._job = job
        self._tree = tree
        self._key = tree.key
        self._links = links
        self._dry_run = dry_run
        self._force = force
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._rsync = Rsync()
        self._lacks_rsync = ""
        """Why no rsync can be run here."""
        self._names = "".join(f"{path}\n" for path in tree.files).encode("utf-8", "surrogateescape")

    async def __aenter__(self) -> Syncer:
        if shutil.which("rsync") is None:
            self._lacks_rsync = (
                "this machine has no rsync; to install it, on a Mac: brew install rsync; on "
                "Debian: sudo apt-get install -y rsync"
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        self._rsync.close()

    async def run(self, nodes: Sequence[str], took: Callable[[NodeSync], object]) -> None:
        """Sync all ``nodes``; what fails on one is in its result.

        :param took: called in the event loop with the result of each node as it ends.
        """

        async def one(node: str) -> None:
            async with self._turn:
                took(await self._node(node))

        running = [asyncio.create_task(one(node)) for node in nodes]
        try:
            await asyncio.gather(*running)
        finally:  # an error of ``took`` ends all
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _node(self, node: str) -> NodeSync:
        assert self._job.sync
        workdir = self._job.sync.workdirs.get(node)
        if workdir is None:
            error = SyncError(
                node, "it has no workdir to copy into", hint="Give it one in nodes.yaml."
            )
            return NodeSync(node, "failed", "", error=error)
        try:
            with of_node(node):
                link = await self._links.get(node)
                stage = f"{STAGE}{secrets.token_hex(6)}"
                place = Place(self._fleet, self._job.name, node, workdir, stage)
                return await self._sync(link, place, NodeSync(node, "same", workdir))
        except FleetctlError as error:
            return NodeSync(node, "failed", workdir, error=error)

    async def _sync(self, link: Link, place: Place, result: NodeSync) -> NodeSync:
        """
        :raises SyncError: it failed.
        :raises LinkError: the node cannot be reached, or is lost.
        """
        copy = await self._look(link, place, result.workdir)
        if copy.same:
            return result
        assert self._job.sync
        plan = await asyncio.to_thread(
            compare, self._tree.files, copy, delete=self._job.sync.delete, gone=self._tree.gone
        )
        result = replace(
            result,
            files=plan.send,
            size_bytes=sum(self._tree.files[path].size for path in plan.send),
            deleted=plan.delete,
            changed_there=(*plan.changed_there, *await self._differing(link, place, plan)),
        )
        if result.changed_there and not self._force:
            return replace(result, state="changed there", files=(), size_bytes=0, deleted=())
        if self._dry_run:
            return replace(result, state="would sync" if plan.send or plan.delete else "same")
        if plan.send:
            _check_space(link.node, copy, result.size_bytes)
            way, note = await self._send(link, place, plan, copy)
            result = replace(result, way=way, note=note)
        if plan.send or plan.delete:
            result = replace(result, state="synced")
        elif plan.sent == copy.sent and plan.there == copy.there:
            return result
        await to_the_end(_place(link, place, plan, self._key))
        return result

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
        names = "".join(f"{path}\n" for path in plan.alike).encode("utf-8", "surrogateescape")
        done = await link.run(
            place.digest, stdin=names, timeout_s=_PLACE_TIMEOUT_S, most_bytes=_MOST_BYTES
        )
        said = done.stdout.decode("utf-8", "surrogateescape").split("\n")
        here = await asyncio.to_thread(self._tree.digests, plan.alike)
        return tuple(
            path
            for path, mine, theirs in zip(plan.alike, here, [*said, *plan.alike], strict=False)
            if mine != theirs
        )

    async def _send(self, link: Link, place: Place, plan: Plan, copy: Copy) -> tuple[Way, str]:
        """Send the files into the stage; how, and if not by rsync, why."""
        try:
            note = self._lacks_rsync or _no_rsync_there(copy)
            if not note:
                try:
                    await self._rsync.send(link, place, self._tree.folder, plan.send)
                except RsyncUnusable as error:
                    note = f"rsync did not work ({visible(str(error))})"
                    await _discard(link, place)
                else:
                    return "rsync", ""
            await tarball.send(link, place, self._tree.folder, plan.send, self._tree.files)
        except BaseException:
            await to_the_end(_discard(link, place))
            raise
        return "tar", note


async def _place(link: Link, place: Place, plan: Plan, key: str) -> None:
    """
    :raises SyncError: something could not be put into its place.
    :raises LinkError: the node is lost.
    """
    text = placing(plan, key).encode("utf-8", "surrogateescape")
    done = await link.run(place.place, stdin=text, timeout_s=_PLACE_TIMEOUT_S)
    if done.exit_status:
        reason = done.error_text.partition("\n")[0]
        raise SyncError(
            link.node,
            f"not all files could be put into their places: {reason}",
            hint="Sync again once that is settled: what is in its place is not sent again.",
        )


async def _discard(link: Link, place: Place) -> None:
    if not link.closed:
        with suppress(LinkError):
            await link.run(place.discard, timeout_s=_DISCARD_TIMEOUT_S)


def _check_space(node: str, copy: Copy, size_bytes: int) -> None:
    """
    :raises SyncError: it does not fit.
    """
    if copy.free_bytes is not None and copy.free_bytes < size_bytes:
        raise SyncError(
            node,
            f"its disk has {size(copy.free_bytes)} free, and {size(size_bytes)} are to be sent; "
            "nothing was changed",
            hint=f"Free some space: fleetctl exec {node} -- df -h",
        )


def _no_rsync_there(copy: Copy) -> str:
    """Empty: there is one; else how it is installed."""
    if copy.rsync:
        return ""
    how = "brew install rsync" if copy.system == "Darwin" else "sudo apt-get install -y rsync"
    return f"it has no rsync; to install it there: {how}"


def secret_files(jobs: Mapping[str, Job]) -> frozenset[str]:
    """The env_files of all jobs, which are never copied."""
    return frozenset(i.env_file for job in jobs.values() for i in job.instances if i.env_file)
