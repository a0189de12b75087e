"""The real fleet, over SSH and tmux: the service that both front ends use."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from fleetctl.errors import LaunchError, LinkError, TmuxError, UsageError
from fleetctl.link.links import Links
from fleetctl.link.mistakes import of_node
from fleetctl.logs.events import LogEvent, PastLog, Wanted
from fleetctl.model.delivery import Delivery
from fleetctl.model.execution import ExecutionEvent
from fleetctl.model.expectations import derive
from fleetctl.model.facts import CUT_OFF, Pane
from fleetctl.model.jobs import Instance, Job, LogSource
from fleetctl.model.look import Look, RawAnswer
from fleetctl.model.pages import Page
from fleetctl.model.plan import PlanStep, plan
from fleetctl.model.questions import Depth
from fleetctl.model.status import FleetStatus, Problem
from fleetctl.model.sudo import SudoPassword
from fleetctl.model.syncing import NodeSync
from fleetctl.model.topology import Fleet, Node
from fleetctl.service import (
    BENCH_S,
    Action,
    Answered,
    Attached,
    Benching,
    Read,
    Repairs,
    Report,
    Tunnel,
    WantedOrphans,
)

if TYPE_CHECKING:
    from fleetctl.health.assess import Checked
    from fleetctl.launch.launcher import Launcher
    from fleetctl.observe.former import FormerNodes
    from fleetctl.observe.observer import Observer
    from fleetctl.observe.watch import Watch


class LiveFleet:
    """:class:`fleetctl.service.FleetService` over SSH and tmux.

    Modules that only some commands need are imported in their methods, which makes the others
    quicker: what looks at nodes and judges them is a third of all.
    """

    def __init__(
        self,
        fleet: Fleet,
        job: Job | None,
        beside: LiveFleet | None = None,
        *,
        warm: bool = False,
    ) -> None:
        """
        :param beside: the same fleet with another job, whose connections this one uses.
        :param warm: use the connections of a `fleetctl serve` of this user, where it has them.
        """
        self.fleet = fleet
        """As in nodes.yaml; what ``observer`` has knows the addresses that DHCP gave, too."""
        self.job = job
        self.links: Links = beside.links if beside else Links(fleet, warm=warm)
        self._all: list[LiveFleet] = beside._all if beside else []
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
        await self.links.close()
        for one in self._all:
            if "_former" in vars(one):
                await one._former.links.close()

    @property
    def _open_tasks(self) -> set[asyncio.Task[Any]]:
        looking = self._launcher.looking if "_launcher" in vars(self) else set()
        return {*looking, *self._changing}

    def with_job(self, job: Job) -> LiveFleet:
        found = (one for one in self._all if one.job and one.job.name == job.name)
        return next(found, None) or LiveFleet(self.fleet, job, beside=self)

    def renewed(self, fleet: Fleet, job: Job | None) -> LiveFleet:
        """The same nodes with other jobs, over the same connections, which are its own from now on:
        this one is no longer to be used."""
        found = LiveFleet(fleet, job, beside=self)
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
        from fleetctl.observe.observer import Observer

        return Observer(self.fleet, self.job, self._expectations, self.links)

    @cached_property
    def _former(self) -> FormerNodes:
        from fleetctl.observe.former import FormerNodes

        return FormerNodes(self.fleet)

    def has_former_nodes(self) -> bool:
        """Whether something was started on nodes that are no longer in nodes.yaml: one look at the
        fleet asks them, too, a watch does not."""
        from fleetctl.observe.started_nodes import StartedNodes

        return bool(StartedNodes(self.fleet.name).former(self.fleet.nodes))

    # asking

    async def observe(self, chosen: Sequence[Instance] | None = None) -> FleetStatus:
        return (await self.check(chosen, depth="status")).status

    async def check(
        self,
        chosen: Sequence[Instance] | None = None,
        answered: Answered | None = None,
        *,
        depth: Depth = "check",
    ) -> Checked:
        from fleetctl.observe.connecting import connecting, failed

        began = time.monotonic()
        async with connecting(self.fleet, self.links) as opening:
            from fleetctl.health.assess import assess
            from fleetctl.observe.again import asked_again, contacts_again

            async def ask(node: Node) -> Look:
                if error := failed(opening.get(node.name)):
                    look = self.observer.lost(node, error)
                else:
                    look = await self.observer.look(node, depth)
                if answered:
                    answered(node.name, look)
                return look

            await self.observer.ask_leases()
            nodes = self.fleet.nodes.values()
            former, asked = await asyncio.gather(
                self._former.looks(self.job), asyncio.gather(*(ask(node) for node in nodes))
            )
        looks = dict(zip(self.fleet.nodes, asked, strict=True))
        if depth == "check":
            looks = await asked_again(self.observer, looks)
        contacts = await contacts_again(self.observer, self.job, looks) if self.job else None
        return assess(
            self.observer.fleet,
            self.job,
            self.observer.expectations,
            looks,
            duration_s=time.monotonic() - began,
            depth=depth,
            chosen=chosen,
            former=former,
            contacts=contacts,
        )

    def watch(self, interval_s: float, depth: Depth = "check") -> Watch:
        from fleetctl.observe.attention import Wake, attend
        from fleetctl.observe.watch import Watch

        kept = {name: self.observer.conditions(node) for name, node in self.fleet.nodes.items()}

        def attend_one(node: Node, wake: Wake) -> AsyncGenerator[Look, None]:
            conditions = kept[node.name]
            return attend(self.observer, node, conditions, wake, interval_s=interval_s, depth=depth)

        return Watch(
            self.fleet,
            self.job,
            lambda: (self.observer.fleet, self.observer.expectations),
            attend_one,
            interval_s=interval_s,
            depth=depth,
        )

    async def raw_answers(self, node: str) -> tuple[RawAnswer, ...]:
        with of_node(node):
            return await self.observer.raw_answers(self.fleet.nodes[node])

    # start, stop, restart

    def plan(self, chosen: Sequence[Instance]) -> tuple[PlanStep, ...]:
        return plan(self.job, chosen) if self.job else ()

    def start(
        self,
        chosen: Sequence[Instance],
        report: Report,
        *,
        check: bool = True,
        again: bool = False,
        anew: bool = False,
    ) -> Action:
        return Action(
            lambda known: self._launcher.start(
                chosen, report, known, check=check, again=again, anew=anew
            )
        )

    def stop(
        self, chosen: Sequence[Instance], report: Report, *, orphans: WantedOrphans | None = None
    ) -> Action:
        return Action(lambda known: self._launcher.stop(chosen, report, known, orphans=orphans))

    def restart(self, chosen: Sequence[Instance], report: Report) -> Action:
        return Action(lambda known: self._launcher.restart(chosen, report, known))

    async def signal(
        self, chosen: Sequence[Instance], signal: str, *, whole: bool = False
    ) -> dict[str, Delivery]:
        from fleetctl.launch.delivering import Delivering

        to = Delivering(self.fleet.name, self.links)
        return await self._deliver(chosen, lambda i: to.signal(i, signal, whole=whole))

    async def send(self, chosen: Sequence[Instance], text: bytes) -> dict[str, Delivery]:
        from fleetctl.launch.delivering import Delivering

        to = Delivering(self.fleet.name, self.links)
        return await self._deliver(chosen, lambda i: to.send(i, text))

    async def _deliver(
        self,
        chosen: Sequence[Instance],
        deliver: Callable[[Instance], Coroutine[None, None, Delivery]],
    ) -> dict[str, Delivery]:
        with self.changing():
            done = await asyncio.gather(*map(deliver, chosen))
        return {instance.name: one for instance, one in zip(chosen, done, strict=True)}

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

    # logs and windows

    async def past_logs(
        self, chosen: Sequence[LogSource], wanted: Wanted
    ) -> dict[str, PastLog | LinkError]:
        from fleetctl.logs.clocks import Clocks
        from fleetctl.logs.feed import past
        from fleetctl.logs.segments import LogLocation

        clocks = Clocks(self.observer.clock_offset_s)

        async def read(source: LogSource) -> PastLog | LinkError:
            log = LogLocation.of(self.fleet.name, source)
            try:
                with of_node(source.node):
                    return await past(self.links, log, source.node, wanted, clocks)
            except LinkError as error:
                return error

        found = await asyncio.gather(*(read(instance) for instance in chosen))
        return {i.name: log for i, log in zip(chosen, found, strict=True)}

    async def follow_logs(
        self,
        chosen: Sequence[LogSource],
        wanted: Wanted,
        took: Callable[[LogEvent], object],
        *,
        tails: bool = False,
    ) -> None:
        from fleetctl.logs.clocks import Clocks
        from fleetctl.logs.feed import feed

        clocks = Clocks(self.observer.clock_offset_s)
        await feed(self.links, self.fleet.name, chosen, wanted, took, tails=tails, clocks=clocks)

    async def _pane_of(self, instance: Instance) -> Pane | None:
        """
        :raises TmuxError: the node's tmux cannot be asked.
        :raises LaunchError: it has lost its socket.
        """
        from fleetctl.health.services import UNATTACHABLE, pane_of
        from fleetctl.model.tmux_refusals import refusal

        facts = await self.observer.instances_on(instance.node)
        if facts.panes is None and facts.tmux_version is not None:
            told = refusal(facts.unknown.get("tmux", CUT_OFF))
            raise TmuxError(
                instance.node, f"tmux: {told.reason}", hint=told.hint, code="tmux-unusable"
            )
        record = facts.records.get((instance.job, instance.name))
        pane = pane_of(self.fleet.name, instance, facts)
        if pane is None and record and record.run in facts.supervised:
            raise LaunchError(instance.name, UNATTACHABLE)
        return pane

    async def attach(
        self,
        instance: Instance,
        *,
        read_only: bool = False,
        lent: AbstractContextManager[object] | None = None,
    ) -> Attached:
        from fleetctl.link.console import lend
        from fleetctl.tmux.outer import detach_keys
        from fleetctl.tmux.server import attach_script

        link = await self.links.get(instance.node)
        pane = await self._pane_of(instance)
        if pane is None:
            raise LaunchError(
                instance.name,
                "has no window: it is not started",
                hint=f"Start it: fleetctl start {instance.name}",
            )
        detach = await asyncio.to_thread(detach_keys)
        script = attach_script(self.fleet.name, pane.window_id, read_only=read_only, detach=detach)
        with lent or nullcontext():
            status = await lend(link, script)
        with suppress(LinkError, TmuxError, LaunchError):
            pane = await self._pane_of(instance)
        return Attached(status, bool(pane and not pane.dead))

    def tunnel(self, page: Page, port: int | None = None) -> Tunnel:
        from fleetctl.observe.tunnel import PageTunnel

        return PageTunnel(self.links, page, port)

    # commands and repairs

    async def execute(
        self,
        nodes: Sequence[str],
        script: str,
        timeout_s: float,
        took: Callable[[ExecutionEvent], object],
        read: Read | None = None,
    ) -> None:
        from fleetctl.link.execution import execute

        await execute(self.links, nodes, script, timeout_s, took, read)

    async def sync(
        self,
        nodes: Sequence[str],
        took: Callable[[NodeSync], object],
        *,
        dry_run: bool = False,
        force: bool = False,
    ) -> None:
        from fleetctl.sync.syncer import Syncer, secret_files
        from fleetctl.sync.tree import read_all

        job = self.job
        if job is None or job.sync is None:
            raise UsageError(
                f"job {job.name!r} has no sync in nodes.yaml" if job else "there is no job to sync",
                hint="Say which folder is its code: sync: {from: .}, beside its services.",
            )
        reading = asyncio.create_task(
            asyncio.to_thread(read_all, job.sync, secret_files(self.fleet.jobs))
        )
        connecting = [asyncio.create_task(self.links.get(node)) for node in nodes]  # meanwhile
        try:
            tree, shared = await reading
            with self.changing():
                async with Syncer(
                    self.fleet, job, tree, shared, self.links, dry_run=dry_run, force=force
                ) as syncer:
                    await syncer.run(nodes, took)
        finally:
            for task in connecting:
                task.cancel()
            await asyncio.gather(*connecting, return_exceptions=True)

    def fix(
        self,
        nodes: Sequence[str],
        *,
        persistent: bool = False,
        answered: Answered | None = None,
        password: SudoPassword | None = None,
        problems: Sequence[Problem] | None = None,
    ) -> Repairs:
        from fleetctl.repair.rounds import Rounds

        async def check(depth: Depth) -> Checked:
            return await self.check(answered=answered, depth=depth)

        return Rounds(
            self.fleet,
            self.links,
            check,
            self.changing,
            nodes,
            persistent=persistent,
            password=password,
            problems=problems,
        )

    def bench(
        self,
        nodes: Sequence[str],
        *,
        everything: bool = False,
        seconds: int = BENCH_S,
        answered: Answered | None = None,
    ) -> Benching:
        from fleetctl.bench.run import Bench

        async def check() -> Checked:
            return await self.check(answered=answered)

        return Bench(
            self.observer.fleet,
            self.job,
            self.observer.expectations,
            self.links,
            check,
            nodes,
            everything=everything,
            seconds=seconds,
        )
