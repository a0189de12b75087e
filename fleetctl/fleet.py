"""The real fleet, over SSH and tmux: the service that both front ends use."""

from __future__ import annotations

from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Mapping,
    Sequence,
)
from contextlib import AbstractContextManager
from datetime import datetime
from typing import TYPE_CHECKING

from fleetctl.connected_fleet import ConnectedFleet
from fleetctl.errors import LinkError
from fleetctl.link.mistakes import of_node
from fleetctl.model.plan import PlanStep, plan
from fleetctl.noting.noting import places
from fleetctl.service import BENCH_S, Action, Answered, Attached, Read, Report, WantedOrphans

if TYPE_CHECKING:
    from fleetctl.health.assess import Checked
    from fleetctl.logs.events import LogEvent, PastLog, Wanted
    from fleetctl.model.actions import Told
    from fleetctl.model.bench import PastBench
    from fleetctl.model.delivery import Delivery
    from fleetctl.model.execution import ExecutionEvent
    from fleetctl.model.jobs import Instance, Job, LogSource
    from fleetctl.model.look import Look, RawAnswer
    from fleetctl.model.pages import Page
    from fleetctl.model.past import PastOfNode
    from fleetctl.model.progress import ActionKind, ActionResult
    from fleetctl.model.questions import Depth
    from fleetctl.model.status import FleetStatus, Problem, ServiceStatus
    from fleetctl.model.sudo import SudoPassword
    from fleetctl.model.syncing import NodeSync
    from fleetctl.model.topology import Node
    from fleetctl.observe.watch import Watch
    from fleetctl.undertakings import Benching, Repairs, Tunnel


class LiveFleet(ConnectedFleet):
    """:class:`fleetctl.service.FleetService` over SSH and tmux.

    Modules that only some commands need are imported in their methods, which makes the others
    quicker: what looks at nodes and judges them is a third of all.
    """

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
        from fleetctl.observe.checking import check

        return await check(
            self.fleet,
            self.job,
            self.links,
            lambda: self.observer,
            lambda: self._former,
            chosen=chosen,
            answered=answered,
            depth=depth,
        )

    def watch(
        self, interval_s: float, depth: Depth = "check", *, beside: Sequence[Job] = ()
    ) -> Watch:
        """
        :param beside: other jobs that are asked for in the same looks.
        """
        from fleetctl.observe.attention import Wake, attend
        from fleetctl.observe.watch import Watch

        observer = self._observer_of(beside) if beside else self.observer
        kept = {name: observer.conditions(node) for name, node in self.fleet.nodes.items()}

        def attend_one(node: Node, wake: Wake) -> AsyncGenerator[Look, None]:
            conditions = kept[node.name]
            return attend(observer, node, conditions, wake, interval_s=interval_s, depth=depth)

        return Watch(
            self.fleet,
            self.job,
            lambda: (observer.fleet, observer.expectations),
            attend_one,
            interval_s=interval_s,
            depth=depth,
            beside=beside,
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
        def start(known: dict[str, ServiceStatus]) -> Awaitable[ActionResult]:
            return self._launcher.start(chosen, report, known, check=check, again=again, anew=anew)

        return self._action("start", chosen, start)

    def stop(
        self, chosen: Sequence[Instance], report: Report, *, orphans: WantedOrphans | None = None
    ) -> Action:
        def stop(known: dict[str, ServiceStatus]) -> Awaitable[ActionResult]:
            return self._launcher.stop(chosen, report, known, orphans=orphans)

        return self._action("stop", chosen, stop)

    def restart(self, chosen: Sequence[Instance], report: Report) -> Action:
        def restart(known: dict[str, ServiceStatus]) -> Awaitable[ActionResult]:
            return self._launcher.restart(chosen, report, known)

        return self._action("restart", chosen, restart)

    def _action(
        self,
        kind: ActionKind,
        chosen: Sequence[Instance],
        work: Callable[[dict[str, ServiceStatus]], Awaitable[ActionResult]],
    ) -> Action:
        """One that is noted on the nodes of ``chosen``."""
        noted = self.noting.noted(kind, places(chosen), self._job_name)

        async def run(known: dict[str, ServiceStatus]) -> ActionResult:
            with noted.running():
                result = await work(known)
                noted.came_to(result)
                return result

        return Action(run, noted.key)

    @property
    def _job_name(self) -> str | None:
        return self.job.name if self.job else None

    async def signal(
        self, chosen: Sequence[Instance], signal: str, *, whole: bool = False
    ) -> dict[str, Delivery]:
        from fleetctl.launch.delivering import Delivering

        to = Delivering(self.fleet.name, self.links)
        noted = self.noting.noted(f"signal {signal}", places(chosen), self._job_name)
        with self.changing():
            return await to.all(chosen, noted, lambda i: to.signal(i, signal, whole=whole))

    async def send(self, chosen: Sequence[Instance], text: bytes) -> dict[str, Delivery]:
        from fleetctl.launch.delivering import Delivering

        to = Delivering(self.fleet.name, self.links)
        noted = self.noting.noted("send", places(chosen), self._job_name)
        with self.changing():
            return await to.all(chosen, noted, lambda i: to.send(i, text))

    # logs and windows

    async def past_logs(
        self, chosen: Sequence[LogSource], wanted: Wanted
    ) -> dict[str, PastLog | LinkError]:
        from fleetctl.logs.clocks import Clocks
        from fleetctl.logs.feed import past_of_all

        clocks = Clocks(self.observer.clock_offset_s)
        return await past_of_all(self.links, self.fleet.name, chosen, wanted, clocks)

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

    async def attach(
        self,
        instance: Instance,
        *,
        read_only: bool = False,
        lent: AbstractContextManager[object] | None = None,
    ) -> Attached:
        from fleetctl.launch.attaching import attach

        return await attach(
            self.fleet.name, self.links, self.observer, instance, read_only=read_only, lent=lent
        )

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
        *,
        only_asks: bool = False,
    ) -> None:
        from fleetctl.link.execution import execute

        if not only_asks:
            script = self.noting.script_that_notes("exec", script)
        await execute(self.links, nodes, script, timeout_s, took, read)

    async def sync(
        self,
        nodes: Sequence[str],
        took: Callable[[NodeSync], object],
        *,
        dry_run: bool = False,
        force: bool = False,
    ) -> None:
        from fleetctl.sync.syncer import sync

        await sync(
            self.fleet,
            self.job,
            self.links,
            nodes,
            took,
            noting=self.noting,
            changing=self.changing,
            dry_run=dry_run,
            force=force,
        )

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
            noting=self.noting,
        )

    async def actions(self, sizes: Mapping[str, str] | None = None) -> Mapping[str, Told]:
        from fleetctl.noting.reading import fetch_actions

        nodes = [name for name, node in self.fleet.nodes.items() if node.connection != "none"]
        return await fetch_actions(self.links, self.fleet.name, nodes, sizes)

    async def past(self, since: Mapping[str, datetime]) -> Mapping[str, PastOfNode]:
        from fleetctl.observe.past import fetch_past

        return await fetch_past(self.observer, since)

    def past_bench(self) -> Mapping[tuple[str, str, str], PastBench]:
        from fleetctl.bench.past import past_bench

        return past_bench(self.observer.fleet)

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
