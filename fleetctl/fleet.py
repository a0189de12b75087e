"""The one service that the command line and the dashboard talk to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from fleetctl.errors import FleetctlError, LaunchError, LinkError
from fleetctl.health.assess import Checked, Look, assess, instance_status
from fleetctl.health.obstacles import obstacles
from fleetctl.health.services import pane_of, service_status
from fleetctl.launch.events import Progress
from fleetctl.launch.look import LOOK_TIMEOUT_S, look
from fleetctl.launch.plan import Step, plan, stop_order
from fleetctl.link.links import Links
from fleetctl.link.protocol import Completed, Link
from fleetctl.model.expectations import derive
from fleetctl.model.facts import NodeFacts, Pane
from fleetctl.model.jobs import ASKED_KINDS, Instance, Job
from fleetctl.model.questions import Depth, Questions, questions, ssh_port
from fleetctl.model.status import FleetStatus, Problem, ServiceStatus
from fleetctl.model.topology import Fleet, Node
from fleetctl.probes.node import RawAnswer, node_script, read_raw, services_script

if TYPE_CHECKING:
    from fleetctl.attention import Wake
    from fleetctl.logs.events import LogEvent
    from fleetctl.watch import Watch

STRAGGLERS_WAIT_S = 4.0
"""How long a start waits for the other nodes' answers after the first one came: long enough for a
node that waits for an echo which never comes, and not for a lost node's connect_timeout."""


class StartRefused(FleetctlError):
    """The network would break the job, so nothing was started.

    :param problems: the reasons.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(
            "nothing was started, because the network would break it",
            hint="To repair it: fleetctl fix. To start all the same: --no-check.",
        )
        self.problems = tuple(problems)


class FleetService:
    """One fleet and one of its jobs. An async context manager: leaving it cancels what still
    changes a node, waits until that has left nothing half done, and closes the connections.

    :param job: the job that everything here is about; ``None`` for a file without jobs.
    """

    def __init__(self, fleet: Fleet, job: Job | None) -> None:
        self.fleet = fleet
        self.job = job
        self.links = Links(fleet)
        self._expectations = derive(fleet)
        self._looking: set[asyncio.Task[Look]] = set()
        """Questions to nodes that may outlive whoever waited for them."""
        self._changing: set[asyncio.Task[Any]] = set()
        """Those who are changing something on a node."""

    async def __aenter__(self) -> FleetService:
        return self

    async def __aexit__(self, *_: object) -> None:
        open_tasks = (self._looking | self._changing) - {asyncio.current_task()}
        for task in open_tasks:
            task.cancel()
        await asyncio.gather(*open_tasks, return_exceptions=True)
        await self.links.close()

    @contextmanager
    def changing(self) -> Iterator[None]:
        """For whoever changes something on a node: while inside, :meth:`__aexit__` waits for the
        current task, which is cancelled, before it closes the connections."""
        task = asyncio.current_task()
        assert task
        self._changing.add(task)
        try:
            yield
        finally:
            self._changing.discard(task)

    async def observe(self, chosen: Sequence[Instance] | None = None) -> FleetStatus:
        """The fleet's state by one quick answer of each node; :meth:`check` asks more."""
        return (await self.check(chosen, depth="status")).status

    async def check(
        self,
        chosen: Sequence[Instance] | None = None,
        seen: Callable[[str, Look], object] | None = None,
        *,
        depth: Depth = "check",
    ) -> Checked:
        """Ask every node at once, one connection and one round trip each.

        A node that cannot be asked is data in the result, and delays no other.

        :param chosen: the instances to show; all of the job's by default.
        :param seen: called as each node's answer comes in.
        :param depth: how much is asked.
        """
        began = time.monotonic()

        async def ask(node: Node) -> Look:
            look = await self._look(node, depth)
            if seen:
                seen(node.name, look)
            return look

        nodes = self.fleet.nodes.values()
        looks = await asyncio.gather(*(ask(node) for node in nodes))
        return assess(
            self.fleet,
            self.job,
            self._expectations,
            dict(zip(self.fleet.nodes, looks, strict=True)),
            duration_s=time.monotonic() - began,
            depth=depth,
            chosen=chosen,
        )

    def attend(
        self, node: Node, wake: Wake, interval_s: float, depth: Depth
    ) -> AsyncGenerator[Look, None]:
        """One node asked again and again; see :func:`fleetctl.attention.attend`."""
        from fleetctl.attention import attend

        return attend(self, node, wake, interval_s=interval_s, depth=depth)

    def watch(self, interval_s: float, depth: Depth = "check") -> Watch:
        """Every node asked again and again; see :class:`fleetctl.watch.Watch`.

        :param depth: ``check``: what only that can tell is asked too, though not each time.
        """
        from fleetctl.watch import Watch

        return Watch(
            self.fleet,
            self.job,
            self._expectations,
            lambda node, wake: self.attend(node, wake, interval_s, depth),
            interval_s=interval_s,
            depth=depth,
        )

    def questions(self, node: Node, depth: Depth) -> Questions:
        """What ``node`` is asked."""
        return questions(self.fleet, self.job, self._expectations, node, depth)

    async def _look(self, node: Node, depth: Depth = "status") -> Look:
        if node.connection == "none":
            return await self.look_from_here(node)
        try:
            link = await self.links.get(node.name)
            facts = await look(link, node_script(self.questions(node, depth)))
        except LinkError as error:
            return Look(error=error)
        facts = await self.with_conditions(node, link, facts)
        return Look(facts=facts, address=link.address, connect_ms=link.connect_ms)

    async def with_conditions(self, node: Node, link: Link, facts: NodeFacts) -> NodeFacts:
        """Ask for ready conditions that are still open and that the facts cannot answer.

        Once met it stands on the node, so this costs nothing in the usual case; it is needed after
        a restart that no controller saw.
        """
        records = dict(facts.records)
        for instance in self.job.instances if self.job else ():
            key = (instance.job, instance.name)
            if instance.node != node.name or instance.ready.kind not in ASKED_KINDS:
                continue
            if service_status(self.fleet.name, instance, facts).state != "running":
                continue
            from fleetctl.launch.conditions import Condition

            condition = Condition(self.fleet.name, instance)
            with suppress(LinkError):
                if await condition.holds(link, records[key]):
                    await condition.mark(link, records[key])
                    records[key] = replace(records[key], ready=True)
        return replace(facts, records=records)

    async def look_from_here(self, node: Node) -> Look:
        """A node that cannot be logged into: only what its instances ask to be asked."""
        from fleetctl.launch.settling import external_answers

        mine = [i for i in self.job.instances if i.node == node.name] if self.job else []
        link = self.links.controller()
        answers = await asyncio.gather(*(external_answers(link, i) for i in mine))
        return Look(answers={i.name: yes for i, yes in zip(mine, answers, strict=True)})

    async def raw_answers(self, node: str) -> tuple[RawAnswer, ...]:
        """What a check asks ``node``, and what it says, word for word.

        :raises LinkError: it cannot be asked.
        """
        link = await self.links.get(node)
        script = node_script(self.questions(self.fleet.nodes[node], "check"))
        done = await link.run(script.text, timeout_s=LOOK_TIMEOUT_S)
        return (*read_raw(script, done.text), RawAnswer("echoes", "ping", done.error_text, 0))

    async def pane_of(self, instance: Instance) -> Pane | None:
        """The window of ``instance``, if it has one.

        :raises LinkError: its node cannot be asked.
        """
        link = await self.links.get(instance.node)
        facts = await look(link, services_script(self.fleet.name, instance.node))
        return pane_of(self.fleet.name, instance, facts)

    async def attach(
        self,
        instance: Instance,
        *,
        read_only: bool = False,
        lent: AbstractContextManager[object] | None = None,
    ) -> tuple[int, bool]:
        """Lend this process's terminal to the tmux window of ``instance`` until it is detached.

        :param lent: entered while the terminal is lent.
        :returns: tmux's exit status, and whether the instance runs on as far as that is known.
        :raises LaunchError: it has no window.
        :raises LinkError: its node cannot be reached, or is lost meanwhile.
        """
        from fleetctl.link.console import lend
        from fleetctl.tmux.server import attach_script

        link = await self.links.get(instance.node)
        pane = await self.pane_of(instance)
        if pane is None:
            raise LaunchError(
                instance.name,
                "has no window: it is not started",
                hint=f"Start it: fleetctl start {instance.name}",
            )
        script = attach_script(self.fleet.name, pane.window_id, read_only=read_only)
        with lent or nullcontext():
            status = await lend(link, script)
        with suppress(LinkError):
            pane = await self.pane_of(instance)
        return status, bool(pane and not pane.dead)

    async def feed_logs(self, lines: int, took: Callable[[LogEvent], None]) -> None:
        """Follow the logs of all that the job starts; see :func:`fleetctl.logs.feed.feed`.

        :param lines: of each log's past, to begin with.
        """
        from fleetctl.logs.feed import Wanted, feed

        instances = self.job.instances if self.job else ()
        await feed(self.links, self.fleet.name, instances, Wanted(lines=lines), took, tails=True)

    def plan(self, chosen: Sequence[Instance]) -> tuple[Step, ...]:
        """What :meth:`start` would do, in which order."""
        return plan(self.job, chosen) if self.job else ()

    def _begin_looks(self) -> dict[str, asyncio.Task[Look]]:
        looks = {n: asyncio.create_task(self._look(node)) for n, node in self.fleet.nodes.items()}
        for task in looks.values():
            self._looking.add(task)
            task.add_done_callback(self._looking.discard)
        return looks

    def _known(
        self, looks: Mapping[str, asyncio.Task[Look]]
    ) -> Callable[[Instance], Awaitable[ServiceStatus]]:
        """Gives an instance's status once its node answered."""

        async def known(instance: Instance) -> ServiceStatus:
            look = await asyncio.shield(looks[instance.node])
            return instance_status(self.fleet, instance, look)

        return known

    async def obstacles(
        self,
        chosen: Sequence[Instance],
        looks: Mapping[str, asyncio.Task[Look]] | None = None,
        *,
        anew: bool = False,
    ) -> tuple[Problem, ...]:
        """The problems of the network for which ``chosen`` could not work.

        Nodes that are slow to answer, or lost, hold nobody up: what they would say is left out.

        :param looks: questions to the nodes that were asked already.
        :param anew: what runs already is going to be started again.
        """
        looks = looks or self._begin_looks()
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

    async def start(
        self,
        chosen: Sequence[Instance],
        report: Callable[[Progress], None],
        results: dict[str, ServiceStatus],
        *,
        check: bool = True,
    ) -> None:
        """Start ``chosen`` in order; see :class:`fleetctl.launch.runner.Runner`.

        :param results: receives what became of each; also what is known when it is cancelled.
        :param check: refuse where the network would break it, and wait for paths.
        :raises UsageError: an env_file cannot be read; then nothing was started.
        :raises StartRefused: the network would break it; then nothing was started.
        """
        from fleetctl.launch.runner import Runner
        from fleetctl.launch.secrets import Secrets

        secrets = Secrets(chosen)
        looks = self._begin_looks()
        known = self._known(looks)
        if check and (problems := await self.obstacles(chosen, looks)):
            raise StartRefused(problems)
        runner = Runner(
            self.fleet.name,
            self.links,
            known,
            secrets,
            report,
            check_paths=check,
            ssh_ports={node.name: ssh_port(node) for node in self.fleet.nodes.values()},
        )
        try:
            with self.changing():
                await runner.start(self.plan(chosen))
        finally:
            results.update({i.name: runner.statuses[i.name] for i in chosen})

    async def stop(
        self, chosen: Sequence[Instance], report: Callable[[Progress], None]
    ) -> dict[str, ServiceStatus]:
        """Stop ``chosen``, dependents first; see :class:`fleetctl.launch.stopper.Stopper`."""
        from fleetctl.launch.stopper import Stopper

        if self.job is None:
            return {}
        known = self._known(self._begin_looks())
        stopper = Stopper(self.fleet.name, self.links, known, report)
        with self.changing():
            return await stopper.stop(stop_order(self.job, chosen))

    async def execute(
        self,
        nodes: Sequence[str],
        script: str,
        timeout_s: float,
        done: Callable[[str, Completed | LinkError], None],
    ) -> None:
        """Run ``script`` on every node at once; ``done`` is called as each one ends."""

        async def one(name: str) -> None:
            result: Completed | LinkError
            try:
                link = await self.links.get(name)
                result = await link.run(script, timeout_s=timeout_s)
            except LinkError as error:
                result = error
            done(name, result)

        await asyncio.gather(*(one(name) for name in nodes))
