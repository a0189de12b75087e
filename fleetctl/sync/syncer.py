"""Copying the code of a job to its nodes, side by side, and then what they share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from msgspec.structs import replace

from fleetctl.errors import FleetctlError, UsageError
from fleetctl.finishing import to_the_end
from fleetctl.link.links import Links
from fleetctl.link.mistakes import of_node
from fleetctl.link.protocol import Link
from fleetctl.model.actions import outcome
from fleetctl.model.jobs import Job
from fleetctl.model.syncing import NodeSync, Shared, SyncError
from fleetctl.model.topology import Fleet
from fleetctl.noting.noting import Noting
from fleetctl.sync.comparing import Comparing, Difference, check_space
from fleetctl.sync.node_files import Place
from fleetctl.sync.sending import Sending
from fleetctl.sync.tree import Tree, read_all

if TYPE_CHECKING:
    from fleetctl.sync.sharing import Sharing

_AT_ONCE = 32
"""So many nodes are sent to at the same time: each has an rsync on this machine."""


class Syncer:
    """One run of ``fleetctl sync``. Use as an async context manager.

    :param shared: what nodes send each other; None: nothing.
    :param force: overwrite and delete what was changed on a node, too.
    """

    def __init__(
        self,
        fleet: Fleet,
        job: Job,
        tree: Tree,
        shared: Tree | None,
        links: Links,
        *,
        dry_run: bool,
        force: bool,
    ) -> None:
        assert job.sync
        self._fleet = fleet
        self._job = job
        self._comparing = Comparing(tree, delete=job.sync.delete)
        self._links = links
        self._dry_run = dry_run
        self._force = force
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._sending = Sending()
        self._sharing: Sharing | None = None
        if shared is not None:
            from fleetctl.sync.sharing import Sharing  # few jobs need it

            self._sharing = Sharing(fleet, job, shared, self._sending)

    async def __aenter__(self) -> Syncer:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._sending.close()

    async def run(self, nodes: Sequence[str], took: Callable[[NodeSync], object]) -> None:
        """Sync all ``nodes``; what fails on one is in its result.

        :param took: called in the event loop with the result of each node as it ends.
        """
        to_share: list[NodeSync] = []

        async def one(node: str) -> None:
            async with self._turn:
                result = await self._node(node)
            if self._sharing and result.ok and not self._dry_run:
                to_share.append(result)
            else:
                took(result)

        running = [asyncio.create_task(one(node)) for node in nodes]
        try:
            await asyncio.gather(*running)
            if self._sharing and to_share:
                await self._sharing.run(sorted(to_share, key=lambda r: nodes.index(r.node)), took)
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
                place = Place(self._fleet.name, self._job.name, node, workdir)
                return await self._sync(link, place, NodeSync(node, "same", workdir))
        except FleetctlError as error:
            return NodeSync(node, "failed", workdir, error=error)

    async def _sync(self, link: Link, place: Place, result: NodeSync) -> NodeSync:
        """
        :raises SyncError: it failed.
        :raises LinkError: the node cannot be reached, or is lost.
        """
        found = await self._comparing.difference(link, place, result.workdir)
        shared = await self._sharing.look(link, result.workdir) if self._sharing else None
        both = [one for one in (found, shared) if one]
        changed = tuple(path for one in both for path in one.changed_there)
        if changed and not self._force:
            return replace(result, state="changed there", changed_there=changed)
        if not self._dry_run:
            for one in both:
                check_space(link.node, one)
        result = replace(result, changed_there=changed)
        if shared and self._dry_run:
            result = _would_share(result, shared)
        if found is None:
            return result
        plan = found.plan
        if not (plan.send or plan.delete):
            if found.only_noted and not self._dry_run:
                await to_the_end(self._comparing.put_in_place(link, place, plan))
            return result
        result = replace(
            result,
            state="would sync" if self._dry_run else "synced",
            files=plan.send,
            size_bytes=found.size_bytes,
            deleted=(*plan.delete, *result.deleted),
        )
        if self._dry_run:
            return result
        if plan.send:
            tree = self._comparing.tree
            way, note = await self._sending.send(link, place, tree, plan.send, found.copy)
            result = replace(result, way=way, note=note)
        await to_the_end(self._comparing.put_in_place(link, place, plan))
        return result


def _would_share(result: NodeSync, found: Difference) -> NodeSync:
    plan = found.plan
    if not (plan.send or plan.delete):
        return result
    shared = Shared(plan.send, found.size_bytes) if plan.send else None
    return replace(result, state="would sync", shared=shared, deleted=plan.delete)


async def sync(
    fleet: Fleet,
    job: Job | None,
    links: Links,
    nodes: Sequence[str],
    took: Callable[[NodeSync], object],
    *,
    noting: Noting,
    changing: Callable[[], AbstractContextManager[None]],
    dry_run: bool,
    force: bool,
) -> None:
    """Read the code of ``job`` while connecting to ``nodes``, and sync them, which is noted there.

    :param changing: a context for what changes something on a node.
    :raises UsageError: the job has no code.
    :raises SyncError: the files here cannot be read.
    """
    if job is None or job.sync is None:
        raise UsageError(
            f"job {job.name!r} has no sync in nodes.yaml" if job else "there is no job to sync",
            hint="Say which folder is its code: sync: {from: .}, beside its services.",
        )
    reading = asyncio.create_task(asyncio.to_thread(read_all, job.sync, secret_files(fleet.jobs)))
    connecting = [asyncio.create_task(links.get(node)) for node in nodes]  # meanwhile
    noted = noting.noted("sync", {} if dry_run else dict.fromkeys(nodes, ()), job.name)
    became: list[NodeSync] = []

    def came(one: NodeSync) -> None:
        became.append(one)
        noted.state = "ok" if all(each.ok for each in became) else "failed"
        noted.said = outcome(each.state for each in became)
        took(one)

    try:
        tree, shared = await reading
        with changing(), noted.running():
            async with Syncer(
                fleet, job, tree, shared, links, dry_run=dry_run, force=force
            ) as syncer:
                await syncer.run(nodes, came)
    finally:
        for task in connecting:
            task.cancel()
        await asyncio.gather(*connecting, return_exceptions=True)


def secret_files(jobs: Mapping[str, Job]) -> frozenset[str]:
    """The env_files of all jobs, which are never copied."""
    return frozenset(i.env_file for job in jobs.values() for i in job.instances if i.env_file)
