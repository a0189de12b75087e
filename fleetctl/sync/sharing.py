"""Files that go to one node from here, and from there from node to node."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from fleetctl.errors import FleetctlError
from fleetctl.finishing import to_the_end
from fleetctl.link.mistakes import of_node
from fleetctl.link.protocol import Link
from fleetctl.model.jobs import Job
from fleetctl.model.syncing import NodeSync, Shared
from fleetctl.model.topology import Fleet
from fleetctl.sync.comparing import Comparing, Difference
from fleetctl.sync.node_files import Place
from fleetctl.sync.sending import Sending
from fleetctl.sync.spread import Spread, spread
from fleetctl.sync.spreading import Outcome, Receiver, Spreading
from fleetctl.sync.tree import Tree

_AT_ONCE = 8
"""So many nodes are sent to from here at the same time."""


class _Target(Struct):
    """A node that can take part, and what is to be done there."""

    link: Link
    place: Place
    workdir: str
    found: Difference | None
    """None: nothing."""

    @property
    def lacks(self) -> tuple[str, ...]:
        return self.found.plan.send if self.found else ()


class Sharing:
    """One run of it: first :meth:`look` at each node, then :meth:`run`.

    :param tree: the files.
    """

    def __init__(self, fleet: Fleet, job: Job, tree: Tree, sending: Sending) -> None:
        assert job.sync and job.sync.share
        self._fleet = fleet
        self._job = job.name
        self._over = job.sync.share.over
        self._tree = tree
        self._comparing = Comparing(tree, delete=job.sync.delete)
        self._sending = sending
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._targets: dict[str, _Target] = {}
        self._results: dict[str, NodeSync] = {}
        """What became so far of the nodes that are to get some."""
        self._direct: dict[str, str] = {}
        """By node, why it takes no part in what nodes send each other."""
        self._took: Callable[[NodeSync], object] = lambda _result: None

    async def look(self, link: Link, workdir: str) -> Difference | None:
        """What a node lacks; None: nothing.

        :param workdir: as in nodes.yaml.
        :raises SyncError: nothing can be copied there.
        :raises LinkError: the node is lost.
        """
        place = Place(self._fleet.name, self._job, link.node, workdir, shared=True)
        found = await self._comparing.difference(link, place, workdir)
        self._targets[link.node] = _Target(link, place, workdir, found)
        return found

    async def run(self, results: Sequence[NodeSync], took: Callable[[NodeSync], object]) -> None:
        """Bring the files to all nodes; what fails on one is in its result.

        :param results: what became so far of those that are well.
        :param took: called in the event loop with the result of each node as it ends.
        """
        self._took = took
        self._results = {result.node: result for result in results}
        self._targets = {node: self._targets[node] for node in self._results}
        ready = [node for node, target in self._targets.items() if not target.lacks]
        await self._each(ready, self._finish)
        while way := self._plan():
            receivers = {
                node: Receiver(target.link, target.place, target.lacks)
                for node in way.nodes
                for target in [self._targets[node]]
            }
            await self._judge(way, await Spreading(way, receivers, self._tree).run())
        await self._each([n for n in self._targets if self._targets[n].lacks], self._send)

    def _plan(self) -> Spread | None:
        lacks = {n: t.lacks for n, t in self._targets.items() if n not in self._direct}
        sizes = {path: entry.size for path, entry in self._tree.files.items()}
        way, direct = spread(self._fleet, self._over, lacks, sizes)
        self._direct.update(direct)
        return way

    async def _judge(self, way: Spread, outcomes: Mapping[str, Outcome]) -> None:
        """Settle what can be settled; at least one node takes no part in the next transfer."""
        source = {edge.node: edge.source for edge in way.edges}
        kinds = {outcome.kind for outcome in outcomes.values()}
        again: list[str] = []
        for node, outcome in outcomes.items():
            if outcome.kind == "failed":
                assert outcome.error
                self._failed(node, outcome.error)
            elif outcome.kind == "edge":
                self._direct[node] = outcome.reason
            elif outcome.kind == "behind":
                if _is_done(outcomes, source.get(node)) or kinds <= {"behind", "done"}:
                    self._direct[node] = outcome.reason or "it could not begin"
                again.append(node)
        done = [node for node, outcome in outcomes.items() if outcome.kind == "done"]
        for node in done:
            seconds, lacks = outcomes[node].seconds, self._targets[node].lacks
            self._note(node, lacks, source.get(node), seconds)
        await self._each([node for node in done if node in self._results], self._finish)
        await self._each([node for node in again if node in self._results], self._look_again)

    def _note(
        self, node: str, files: Sequence[str], source: str | None, seconds: float | None = None
    ) -> None:
        """Add what a node got to its result."""
        if not files or node not in self._results:
            return
        before = self._results[node].shared
        size_bytes = sum(self._tree.files[path].size for path in files)
        all_of_it = (*(before.files if before else ()), *files)
        if before:
            size_bytes, seconds = size_bytes + before.size_bytes, None
        note = self._direct.get(node, "") if source is None else ""
        shared = Shared(all_of_it, size_bytes, source, seconds, note)
        self._results[node] = replace(self._results[node], state="synced", shared=shared)

    async def _look_again(self, node: str) -> None:
        target = self._targets[node]
        before = target.lacks
        target.found = await self._comparing.difference(target.link, target.place, target.workdir)
        left = set(target.lacks)
        self._note(node, [path for path in before if path not in left], None)
        if not left:
            await self._finish(node)

    async def _send(self, node: str) -> None:
        """Send from here."""
        target = self._targets[node]
        assert target.found
        async with self._turn:
            way, note = await self._sending.send(
                target.link, target.place, self._tree, target.lacks, target.found.copy
            )
        result = self._results[node]
        self._results[node] = replace(result, way=result.way or way, note=result.note or note)
        self._note(node, target.lacks, None)
        await self._finish(node)

    async def _finish(self, node: str) -> None:
        """Note on the node what it has, delete what is to be deleted, and tell the result."""
        target = self._targets[node]
        if target.found:
            plan = target.found.plan
            if plan.send or plan.delete or target.found.only_noted:
                await to_the_end(self._comparing.put_in_place(target.link, target.place, plan))
            if plan.delete:
                result = self._results[node]
                deleted = (*result.deleted, *plan.delete)
                self._results[node] = replace(result, state="synced", deleted=deleted)
            target.found = None
        self._took(self._results.pop(node))

    def _failed(self, node: str, error: FleetctlError) -> None:
        del self._targets[node]
        if result := self._results.pop(node, None):
            self._took(replace(result, state="failed", error=error))

    async def _each(
        self, nodes: Sequence[str], do: Callable[[str], Coroutine[Any, Any, None]]
    ) -> None:
        """``do`` for all ``nodes``, side by side; what fails on one is its result."""

        async def one(node: str) -> None:
            try:
                with of_node(node):
                    await do(node)
            except FleetctlError as error:
                self._failed(node, error)

        async with asyncio.TaskGroup() as group:
            for node in nodes:
                group.create_task(one(node))


def _is_done(outcomes: Mapping[str, Outcome], node: str | None) -> bool:
    return node is not None and outcomes[node].kind == "done"
