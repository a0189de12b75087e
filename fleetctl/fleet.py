"""The real fleet, over SSH and tmux: the service that both front ends use."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any, Self

from fleetctl.errors import LaunchError, LinkError, LinkHung, TmuxError
from fleetctl.health.assess import Checked, assess, instance_status
from fleetctl.health.obstacles import obstacles
from fleetctl.health.orphans import orphans as orphans_on
from fleetctl.health.services import pane_of
from fleetctl.launch.started_nodes import StartedNodes
from fleetctl.link.links import Links
from fleetctl.logs.events import LogEvent, PastLog, Wanted
from fleetctl.model.execution import Broken, Ended, ExecutionEvent, Failure, Said
from fleetctl.model.expectations import derive
from fleetctl.model.facts import CUT_OFF, Pane
from fleetctl.model.jobs import Instance, Job
from fleetctl.model.look import Look, RawAnswer
from fleetctl.model.plan import PlanStep, plan, stop_order
from fleetctl.model.progress import ActionResult
from fleetctl.model.questions import Depth
from fleetctl.model.status import FleetStatus, Problem, ServiceStatus
from fleetctl.model.sudo import SudoPassword
from fleetctl.model.tmux_refusals import refusal
from fleetctl.model.topology import Fleet, Node
from fleetctl.observe.again import asked_again
from fleetctl.observe.former import FormerNodes
from fleetctl.observe.observer import Observer
from fleetctl.service import (
    Action,
    Answered,
    Attached,
    Repairs,
    Report,
    StartRefused,
    WantedOrphans,
    Watching,
)

STRAGGLERS_WAIT_S = 4.0
"""How long a start waits for further nodes after the first answer: longer than an unanswered ping
takes, shorter than a lost node's connect_timeout."""


class LiveFleet:
    """:class:`fleetctl.service.FleetService` over SSH and tmux.

    Modules that only some commands need are imported in their methods, which makes ``status``
    quicker.
    """

    def __init__(self, fleet: Fleet, job: Job | None) -> None:
        self.fleet = fleet
        self.job = job
        self.links = Links(fleet)
        self._expectations = derive(fleet, job)
        self.observer = Observer(fleet, job, self._expectations, self.links)
        self._started = StartedNodes(fleet.name)
        self._former = FormerNodes(fleet, self._started.former(fleet.nodes))
        self._looking: set[asyncio.Task[Look]] = set()
        """Looks that may still run when the action that began them has ended."""
        self._changing: set[asyncio.Task[Any]] = set()
        """Tasks that are changing something on a node."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        open_tasks = (self._looking | self._changing) - {asyncio.current_task()}
        for task in open_tasks:
            task.cancel()
        await asyncio.gather(*open_tasks, return_exceptions=True)
        await self.links.close()
        await self._former.links.close()

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
        began = time.monotonic()

        async def ask(node: Node) -> Look:
            look = await self.observer.look(node, depth)
            if answered:
                answered(node.name, look)
            return look

        nodes = self.fleet.nodes.values()
        former, asked = await asyncio.gather(
            self._ask_former(), asyncio.gather(*(ask(node) for node in nodes))
        )
        looks = dict(zip(self.fleet.nodes, asked, strict=True))
        if depth == "check":
            looks = await asked_again(self.observer, self._expectations, looks)
        return assess(
            self.fleet,
            self.job,
            self._expectations,
            looks,
            duration_s=time.monotonic() - began,
            depth=depth,
            chosen=chosen,
            former=former,
        )

    async def _ask_former(self) -> dict[str, Look]:
        """Looks at nodes that are no longer in nodes.yaml; forgets those on which nothing runs."""
        looks = await self._former.looks()
        for name, look in looks.items():
            if look.facts and not any(orphans_on(self.fleet, self.job, name, look.facts)):
                self._started.forget(name)
        return looks

    def watch(self, interval_s: float, depth: Depth = "check") -> Watching:
        from fleetctl.observe.attention import Wake, attend
        from fleetctl.observe.watch import Watch

        kept = {name: self.observer.conditions(node) for name, node in self.fleet.nodes.items()}

        def attend_one(node: Node, wake: Wake) -> AsyncGenerator[Look, None]:
            conditions = kept[node.name]
            return attend(self.observer, node, conditions, wake, interval_s=interval_s, depth=depth)

        return Watch(
            self.fleet,
            self.job,
            self._expectations,
            attend_one,
            interval_s=interval_s,
            depth=depth,
        )

    async def raw_answers(self, node: str) -> tuple[RawAnswer, ...]:
        return await self.observer.raw_answers(self.fleet.nodes[node])

    # start, stop, restart

    def plan(self, chosen: Sequence[Instance]) -> tuple[PlanStep, ...]:
        return plan(self.job, chosen) if self.job else ()

    def start(self, chosen: Sequence[Instance], report: Report, *, check: bool = True) -> Action:
        return Action(lambda known: self._start(chosen, report, known, check=check))

    def stop(
        self, chosen: Sequence[Instance], report: Report, *, orphans: WantedOrphans | None = None
    ) -> Action:
        return Action(lambda known: self._stop(chosen, report, known, orphans=orphans))

    def restart(self, chosen: Sequence[Instance], report: Report) -> Action:
        async def work(known: dict[str, ServiceStatus]) -> ActionResult:
            began_s = time.monotonic()
            problems = await self._obstacles(chosen, self._begin_looks(), anew=True)
            if problems and not (self.job and self.job.elastic):
                raise StartRefused(_each_once(problems))
            stopped = await self._stop(chosen, report, known, began_s)
            return stopped if stopped.bad else await self._start(chosen, report, known, began_s)

        return Action(work)

    async def _start(
        self,
        chosen: Sequence[Instance],
        report: Report,
        known: dict[str, ServiceStatus],
        began_s: float | None = None,
        *,
        check: bool = True,
    ) -> ActionResult:
        from fleetctl.launch.runner import Runner
        from fleetctl.launch.secrets import Secrets

        secrets = Secrets(chosen)
        looks = self._begin_looks()
        left_out: dict[str, str] = {}
        if check and (problems := await self._obstacles(chosen, looks)):
            elastic = self.job is not None and self.job.elastic
            left_out = {name: found[0].summary for name, found in problems.items()}
            if not elastic or all(i.name in left_out for i in chosen if i.command is not None):
                raise StartRefused(_each_once(problems))
        runner = Runner(
            self.fleet.name,
            self.links,
            self._status_of(looks),
            secrets,
            report,
            check_paths=check,
            ssh_ports={node.name: node.ssh_port for node in self.fleet.nodes.values()},
            began_s=began_s,
            elastic=self.job is not None and self.job.elastic,
            left_out=left_out,
        )
        self._started.add(self.fleet.nodes[i.node] for i in chosen if i.command is not None)
        try:
            with self.changing():
                await runner.start(self.plan(chosen))
        finally:
            known.update({i.name: runner.statuses[i.name] for i in chosen})
        return ActionResult("start", dict(known))

    async def _stop(
        self,
        chosen: Sequence[Instance],
        report: Report,
        known: dict[str, ServiceStatus],
        began_s: float | None = None,
        *,
        orphans: WantedOrphans | None = None,
    ) -> ActionResult:
        from fleetctl.launch.stopper import Stopper

        looks = self._begin_looks()
        status_of = self._status_of(looks)
        unasked: dict[str, str] = {}

        async def stop_chosen() -> None:
            if self.job and chosen:
                stopper = Stopper(self.fleet.name, self.links, status_of, report, began_s)
                known.update(await stopper.stop(stop_order(self.job, chosen)))

        async def stop_orphans(name: str, look: Look, links: Links, wanted: WantedOrphans) -> None:
            async def known_of(instance: Instance) -> ServiceStatus:
                return instance_status(self.fleet, instance, look)

            if look.facts is None:
                if look.error:
                    unasked[name] = look.error.reason
                return
            found = orphans_on(self.fleet, self.job, name, look.facts)
            group = [instance for instance, orphan in found if wanted(orphan)]
            label = self._orphan_name
            stopper = Stopper(self.fleet.name, links, known_of, report, began_s, name=label)
            known.update(await stopper.stop([group]))

        async def stop_all_orphans(wanted: WantedOrphans) -> None:
            async def on(name: str) -> None:
                await stop_orphans(name, await asyncio.shield(looks[name]), self.links, wanted)

            former = await self._ask_former()
            gone = (stop_orphans(n, k, self._former.links, wanted) for n, k in former.items())
            await asyncio.gather(*map(on, looks), *gone)

        with self.changing():
            await asyncio.gather(stop_chosen(), *([stop_all_orphans(orphans)] if orphans else []))
        return ActionResult("stop", dict(known), unasked)

    def _orphan_name(self, orphan: Instance) -> str:
        mine = self.job is not None and orphan.job == self.job.name
        return orphan.name if mine else f"{orphan.job}/{orphan.name}"

    def _begin_looks(self) -> dict[str, asyncio.Task[Look]]:
        ask = self.observer.look
        looks = {n: asyncio.create_task(ask(node)) for n, node in self.fleet.nodes.items()}
        for task in looks.values():
            self._looking.add(task)
            task.add_done_callback(self._looking.discard)
        return looks

    def _status_of(
        self, looks: Mapping[str, asyncio.Task[Look]]
    ) -> Callable[[Instance], Awaitable[ServiceStatus]]:
        """A function that gives an instance's status once its node has answered."""

        async def status_of(instance: Instance) -> ServiceStatus:
            look = await asyncio.shield(looks[instance.node])
            return instance_status(self.fleet, instance, look)

        return status_of

    async def _obstacles(
        self,
        chosen: Sequence[Instance],
        looks: Mapping[str, asyncio.Task[Look]],
        *,
        anew: bool = False,
    ) -> dict[str, tuple[Problem, ...]]:
        """The problems of the network that would make ``chosen`` fail, by instance.

        Nodes that are lost or slow to answer are not waited for, and left out.

        :param anew: running instances are going to be restarted.
        """
        pending = set(looks.values())
        await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        if pending := {task for task in pending if not task.done()}:
            await asyncio.wait(pending, timeout=STRAGGLERS_WAIT_S)
        late = Look(error=LinkError("", "it has not answered yet"))
        known = {name: task.result() if task.done() else late for name, task in looks.items()}
        checked = assess(self.fleet, self.job, self._expectations, known, duration_s=0.0)
        return obstacles(
            self.fleet, self._expectations, checked.status, self.plan(chosen), anew=anew
        )

    # logs and windows

    async def past_logs(
        self, chosen: Sequence[Instance], wanted: Wanted
    ) -> dict[str, PastLog | LinkError]:
        from fleetctl.logs.clocks import Clocks
        from fleetctl.logs.feed import past
        from fleetctl.logs.segments import LogLocation

        clocks = Clocks(self.observer.clock_offset_s)

        async def read(instance: Instance) -> PastLog | LinkError:
            log = LogLocation(self.fleet.name, instance.job, instance.name)
            try:
                return await past(self.links, log, instance.node, wanted, clocks)
            except LinkError as error:
                return error

        found = await asyncio.gather(*(read(instance) for instance in chosen))
        return {i.name: log for i, log in zip(chosen, found, strict=True)}

    async def follow_logs(
        self,
        chosen: Sequence[Instance],
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
        """
        facts = await self.observer.instances_on(instance.node)
        if facts.panes is None and facts.tmux_version is not None:
            told = refusal(facts.unknown.get("tmux", CUT_OFF))
            raise TmuxError(
                instance.node, f"tmux: {told.reason}", hint=told.hint, code="tmux-unusable"
            )
        return pane_of(self.fleet.name, instance, facts)

    async def attach(
        self,
        instance: Instance,
        *,
        read_only: bool = False,
        lent: AbstractContextManager[object] | None = None,
    ) -> Attached:
        from fleetctl.link.console import lend
        from fleetctl.tmux.server import attach_script

        link = await self.links.get(instance.node)
        pane = await self._pane_of(instance)
        if pane is None:
            raise LaunchError(
                instance.name,
                "has no window: it is not started",
                hint=f"Start it: fleetctl start {instance.name}",
            )
        script = attach_script(self.fleet.name, pane.window_id, read_only=read_only)
        with lent or nullcontext():
            status = await lend(link, script)
        with suppress(LinkError, TmuxError):
            pane = await self._pane_of(instance)
        return Attached(status, bool(pane and not pane.dead))

    # commands and repairs

    async def execute(
        self,
        nodes: Sequence[str],
        script: str,
        timeout_s: float,
        took: Callable[[ExecutionEvent], object],
    ) -> None:
        running = [asyncio.create_task(self._execute(n, script, timeout_s, took)) for n in nodes]
        try:
            await asyncio.gather(*running)
        finally:  # an error of ``took`` ends all
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _execute(
        self,
        node: str,
        script: str,
        timeout_s: float,
        took: Callable[[ExecutionEvent], object],
    ) -> None:
        how: Failure = "not reached"
        try:
            link = await self.links.get(node)
            async with asyncio.timeout(timeout_s), link.stream(script, both=True) as stream:
                how = "cut off"
                stream.write_eof()
                while any(said := await stream.read_both()):
                    for data, error in zip(said, (False, True), strict=True):
                        if data:
                            took(Said(node, data, error))
        except TimeoutError:
            late = LinkHung(node, f"a command did not end within {timeout_s:g} s")
            took(Broken(node, "timed out", late))
        except LinkError as error:
            took(Broken(node, how, error))
        else:
            took(Ended(node, stream.exit_status or 0))

    def fix(
        self,
        nodes: Sequence[str],
        *,
        persistent: bool = False,
        answered: Answered | None = None,
        password: SudoPassword | None = None,
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
        )


def _each_once(problems: Mapping[str, Sequence[Problem]]) -> tuple[Problem, ...]:
    found: list[Problem] = []
    for several in problems.values():
        found += [problem for problem in several if problem not in found]
    return tuple(found)
