"""A fleet with its connections, which its jobs share, and what is kept as long as they are open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from fleetctl.link.links import Links
from fleetctl.model.events import Actor
from fleetctl.model.expectations import derive
from fleetctl.model.jobs import Job
from fleetctl.model.topology import Fleet
from fleetctl.noting.noting import Noting

if TYPE_CHECKING:
    from fleetctl.launch.launcher import Launcher
    from fleetctl.observe.former import FormerNodes
    from fleetctl.observe.observer import Observer


class ConnectedFleet:
    """One job of a fleet, or none, over connections that are opened when they are needed."""

    def __init__(
        self,
        fleet: Fleet,
        job: Job | None,
        beside: Self | None = None,
        *,
        warm: bool = False,
        by: Callable[[], Actor] | None = None,
        tell: Callable[[str], object] = lambda _: None,
    ) -> None:
        """
        :param beside: the same fleet with another job, whose connections this one uses.
        :param warm: use the connections of a `fleetctl serve` of this user, where it has them.
        :param by: tells who acts; None: actions are not noted on the nodes.
        :param tell: takes a sentence for the user where one could not be noted.
        """
        self.fleet = fleet
        """As in nodes.yaml; what ``observer`` has knows the addresses that DHCP gave, too."""
        self.job = job
        self.links: Links = beside.links if beside else Links(fleet, warm=warm)
        self.noting: Noting = beside.noting if beside else Noting(fleet.name, self.links, by, tell)
        self._all: list[Self] = beside._all if beside else []
        """Those that share the connections, this one included."""
        self._all.append(self)
        self._expectations = derive(fleet, job)
        self._changing: set[asyncio.Task[Any]] = set()
        """Tasks that are changing something on a node."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        mine = asyncio.current_task()
        open_tasks = {task for one in self._all for task in one._open_tasks if task is not mine}
        for task in open_tasks:
            task.cancel()
        await asyncio.gather(*open_tasks, return_exceptions=True)
        await self.noting.close()
        await self.links.close()
        for one in self._all:
            if "_former" in vars(one):
                await one._former.links.close()

    @property
    def _open_tasks(self) -> set[asyncio.Task[Any]]:
        looking = self._launcher.looking if "_launcher" in vars(self) else set()
        return {*looking, *self._changing}

    def with_job(self, job: Job) -> Self:
        found = (one for one in self._all if one.job and one.job.name == job.name)
        return next(found, None) or type(self)(self.fleet, job, beside=self)

    def renewed(self, fleet: Fleet, job: Job | None) -> Self:
        """The same nodes with other jobs, over the same connections, which are its own from now on:
        this one is no longer to be used."""
        found = type(self)(fleet, job, beside=self)
        self._all[:] = [found]
        return found

    @contextmanager
    def changing(self) -> Iterator[None]:
        """A context for changing something on a node: while the current task is inside,
        :meth:`__aexit__` cancels it and waits for its end before it closes the connections."""
        task = asyncio.current_task()
        assert task
        self._changing.add(task)
        try:
            yield
        finally:
            self._changing.discard(task)

    @cached_property
    def observer(self) -> Observer:
        return self._observer_of(())

    def _observer_of(self, beside: Sequence[Job]) -> Observer:
        from fleetctl.observe.observer import Observer

        return Observer(self.fleet, self.job, self._expectations, self.links, beside)

    @cached_property
    def _former(self) -> FormerNodes:
        from fleetctl.observe.former import FormerNodes

        return FormerNodes(self.fleet)

    def has_former_nodes(self) -> bool:
        """Whether something was started on nodes that are no longer in nodes.yaml: one look at the
        fleet asks them, too, a watch does not."""
        from fleetctl.observe.started_nodes import StartedNodes

        return bool(StartedNodes(self.fleet.name).former(self.fleet.nodes))

    @cached_property
    def _launcher(self) -> Launcher:
        from fleetctl.launch.launcher import Launcher

        return Launcher(
            self.fleet,
            self.job,
            self.links,
            self.observer,
            self._former,
            self.changing,
        )
