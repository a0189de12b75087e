"""Starts, stops and restarts instances of one job, each after one look at every node."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import AbstractContextManager, suppress

from msgspec import structs

from fleetctl.errors import LaunchError, LinkError
from fleetctl.health.assess import Checked, assess
from fleetctl.health.kinds.machine import REQUIREMENT_MISSING
from fleetctl.health.obstacles import obstacles
from fleetctl.health.one_node import instance_status
from fleetctl.health.orphans import orphans as orphans_on
from fleetctl.health.port_problems import Taken, ports_taken
from fleetctl.health.requirements import why_not_started
from fleetctl.launch.membership import Memberships, leave_script
from fleetctl.launch.preparing import Preparations
from fleetctl.launch.runner import Runner, not_met
from fleetctl.launch.secrets import Secrets
from fleetctl.launch.stopper import Stopper
from fleetctl.link.links import Links
from fleetctl.model.facts import CUT_OFF, NO_ANSWER, NodeFacts
from fleetctl.model.jobs import Instance, Job
from fleetctl.model.look import Look
from fleetctl.model.plan import PlanStep, met, plan, stop_order
from fleetctl.model.progress import ActionResult
from fleetctl.model.status import ALIVE_STATES, UNREADY_STATES, Problem, ServiceStatus
from fleetctl.model.topology import Fleet, Node
from fleetctl.observe.former import FormerNodes
from fleetctl.observe.observer import Observer
from fleetctl.port_holders import Holder, PortsTaken, StartRefused
from fleetctl.service import Report, WantedOrphans

STRAGGLERS_WAIT_S = 4.0
"""How long a start waits for further nodes after the first answer: longer than an unanswered ping
takes, shorter than a lost node's connect_timeout."""

LEAVE_TIMEOUT_S = 5.0

Known = dict[str, ServiceStatus]
"""The newest status of each instance of an action, which it updates as it goes on."""


class Launcher:
    """What acts on the instances of ``job``.

    :param changing: a context that is entered while a node is being changed.
    """

    def __init__(
        self,
        fleet: Fleet,
        job: Job | None,
        links: Links,
        observer: Observer,
        former: FormerNodes,
        changing: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self.fleet = fleet
        self.job = job
        self._links = links
        self._observer = observer
        self._former = former
        self._changing = changing
        self.looking: set[asyncio.Task[Look]] = set()
        """Looks that may still run when the action that began them has ended."""

    async def start(
        self,
        chosen: Sequence[Instance],
        report: Report,
        known: Known,
        began_s: float | None = None,
        *,
        check: bool = True,
        again: bool = False,
        anew: bool = False,
    ) -> ActionResult:
        """Start ``chosen``.

        :param again: also those that run once, and are done.
        :param anew: how they ended before is forgotten as soon as their nodes have answered.

        :raises UsageError: an env_file cannot be read; nothing was started.
        :raises StartRefused: the network would break them, or other instances of the fleet have
            their ports; nothing was started.
        """
        secrets = Secrets(chosen)
        looks = self._begin_looks(versions=check)
        left_out = await self._left_out(chosen, looks, again=again) if check else {}
        runner = Runner(
            self.fleet.name,
            self._links,
            self._status_of(looks),
            secrets,
            report,
            check_paths=check,
            ssh_ports={node.name: node.ssh_port for node in self.fleet.nodes.values()},
            began_s=began_s,
            elastic=self.job is not None and self.job.elastic,
            left_out=left_out,
            lacks=self._lacks(looks) if check else None,
            preparations=self._preparations(),
            again=again,
            anew=anew,
            memberships=Memberships(self.fleet.name, self.job, self._links),
        )
        self._former.started.add(self.fleet.nodes[i.node] for i in chosen if i.command is not None)
        try:
            with self._changing():
                await runner.start(self._plan(chosen))
        finally:
            known.update({i.name: runner.statuses[i.name] for i in chosen})
        return ActionResult("start", dict(known))

    async def _left_out(
        self,
        chosen: Sequence[Instance],
        looks: Mapping[str, asyncio.Task[Look]],
        *,
        again: bool,
    ) -> dict[str, str]:
        """Why some of ``chosen`` cannot be started; the job is elastic.

        :raises StartRefused: nothing is to be started.
        """
        checked, problems = await self._obstacles(chosen, looks, again=again)
        running = [n for n, s in checked.status.services.items() if s.state in ALIVE_STATES]
        taken = self._taken(chosen, checked, running)
        of_ports = {instance.name: (problem,) for instance, problem, _ in taken}
        left_out = {name: p[0].summary for name, p in {**of_ports, **problems}.items()}
        if left_out and self._hopeless(chosen, left_out):
            raise self._refusal(problems, taken)
        return left_out

    def _taken(
        self, chosen: Sequence[Instance], checked: Checked, running: Collection[str]
    ) -> list[Taken]:
        """Those of ``chosen`` whose port another job has, or what is left over."""
        found = ports_taken(chosen, checked.facts, running)
        return [taken for taken in found if not self._has(self.job, *taken[2])]

    def _refusal(
        self, problems: Mapping[str, Sequence[Problem]], taken: Sequence[Taken]
    ) -> StartRefused:
        of_ports = {instance.name: (problem,) for instance, problem, _ in taken}
        if problems or self.job is None:
            return StartRefused(_each_once({**of_ports, **problems}))
        holders = [
            Holder(job, name, self._has(self.fleet.jobs.get(job), job, name))
            for job, name in dict.fromkeys(holder for _, _, holder in taken)
        ]
        return PortsTaken(self.job.name, _each_once(of_ports), holders)

    @staticmethod
    def _has(job: Job | None, name: str, instance: str) -> bool:
        """Whether ``job`` is called ``name``, and has ``instance``."""
        return job is not None and job.name == name and instance in (i.name for i in job.instances)

    def _preparations(self) -> Preparations | None:
        if self.job is None or self.job.prepare is None:
            return None
        return Preparations(self.fleet.name, self.job.prepare, self._links)

    async def stop(
        self,
        chosen: Sequence[Instance],
        report: Report,
        known: Known,
        began_s: float | None = None,
        *,
        orphans: WantedOrphans | None = None,
    ) -> ActionResult:
        """Stop ``chosen``, and the orphans for which ``orphans`` is true."""
        looks = self._begin_looks()
        status_of = self._status_of(looks)
        unasked: dict[str, str] = {}

        def answered(instance: Instance) -> bool:
            return (look := looks[instance.node]).done() and look.result().facts is not None

        async def stop_chosen() -> None:
            if self.job and chosen:
                await self._leave_group(self.job, chosen)
                stopper = Stopper(
                    self.fleet.name, self._links, status_of, report, began_s, answered=answered
                )
                known.update(await stopper.stop(stop_order(self.job, chosen)))

        async def stop_orphans(name: str, look: Look, links: Links, wanted: WantedOrphans) -> None:
            async def known_of(instance: Instance) -> ServiceStatus:
                return instance_status(self.fleet, instance, look)

            if look.facts is None:
                if look.error:
                    unasked[name] = look.error.reason
                return
            if why := _not_told(look.facts):
                unasked[name] = why
            found = orphans_on(self.fleet, self.job, name, look.facts)
            group = [instance for instance, orphan in found if wanted(orphan)]
            stopper = Stopper(
                self.fleet.name,
                links,
                known_of,
                report,
                began_s,
                answered=lambda _: True,
                name=self._orphan_name,
            )
            known.update(await stopper.stop([group]))

        async def stop_all_orphans(wanted: WantedOrphans) -> None:
            async def on(name: str) -> None:
                await stop_orphans(name, await asyncio.shield(looks[name]), self._links, wanted)

            former = await self._former.looks(self.job)
            gone = (stop_orphans(n, k, self._former.links, wanted) for n, k in former.items())
            await asyncio.gather(*map(on, looks), *gone)

        with self._changing():
            await asyncio.gather(stop_chosen(), *([stop_all_orphans(orphans)] if orphans else []))
        return ActionResult("stop", dict(known), unasked)

    async def restart(
        self, chosen: Sequence[Instance], report: Report, known: Known
    ) -> ActionResult:
        """Stop and start ``chosen``, with the words of their last start unless they have others.

        :raises StartRefused: the network would break them, their nodes lack what the job requires,
            or other instances of the fleet have their ports; nothing was stopped.
        :raises LaunchError: what one that runs starts after is not there; nothing was stopped.
        """
        began_s = time.monotonic()
        looks = self._begin_looks(versions=True)
        checked, problems = await self._obstacles(chosen, looks, anew=True)
        taken = self._taken(chosen, checked, ())
        if (problems or taken) and not (self.job and self.job.elastic):
            raise self._refusal(problems, taken)
        await self._refuse_without_needs(chosen, looks)
        again = await asyncio.gather(*(_with_words(i, looks[i.node]) for i in chosen))
        stopped = await self.stop(chosen, report, known, began_s)
        return stopped if stopped.bad else await self.start(again, report, known, began_s)

    async def _refuse_without_needs(
        self, chosen: Sequence[Instance], looks: Mapping[str, asyncio.Task[Look]]
    ) -> None:
        """
        :raises LaunchError: one of ``chosen`` runs, and would not be started again once it was
            stopped, for something else that it starts after has ended or is not known.
        """
        if self.job is None or self.job.elastic:
            return
        status_of = self._status_of(looks)
        for step in self._plan(chosen):
            others = [i for i in step.needs if i not in chosen and i.command is not None]
            if not others or (await status_of(step.instance)).state not in ALIVE_STATES:
                continue
            for need in others:
                status = await status_of(need)
                until = step.instance.waits_until(need)
                if not (status.state in UNREADY_STATES or met(need, status, until)):
                    lost = status.state == "unknown"
                    raise LaunchError(
                        step.instance.name,
                        f"it is not stopped, for it would not start again: {not_met(need, status)}",
                        hint=f"First: fleetctl {'check' if lost else 'start'} {need.name}",
                    )

    async def _leave_group(self, job: Job, chosen: Sequence[Instance]) -> None:
        """Where the whole job is stopped, what decides for it ends first."""
        group = next((i.group for i in chosen if i.group), None)
        ours = {i.name for i in job.instances if i.command is not None}
        if group is None or not ours <= {i.name for i in chosen}:
            return
        script = leave_script(self.fleet.name, job.name, group)
        with suppress(LinkError):  # its stop says that it cannot be reached
            link = await self._links.get(group.node)
            await link.run(script, timeout_s=LEAVE_TIMEOUT_S)

    def _hopeless(self, chosen: Sequence[Instance], left_out: Mapping[str, str]) -> bool:
        """Whether none of ``chosen`` could be started without those that are left out: then, or
        if the job is not elastic, nothing is."""
        if self.job is None or not self.job.elastic:
            return True
        out = set(left_out)
        for step in self._plan(chosen):  # what an instance needs comes before it
            needs: dict[str, list[Instance]] = {}
            for need in step.needs:
                needs.setdefault(need.service, []).append(need)
            if any(all(i.name in out for i in several) for several in needs.values()):
                out.add(step.instance.name)
        return all(i.name in out for i in chosen if i.command is not None)

    def _orphan_name(self, orphan: Instance) -> str:
        mine = self.job is not None and orphan.job == self.job.name
        return orphan.name if mine else f"{orphan.job}/{orphan.name}"

    def _begin_looks(self, *, versions: bool = False) -> dict[str, asyncio.Task[Look]]:
        def ask(node: Node) -> Coroutine[None, None, Look]:
            return self._observer.look(node, versions=versions)

        looks = {n: asyncio.create_task(ask(node)) for n, node in self.fleet.nodes.items()}
        for task in looks.values():
            self.looking.add(task)
            task.add_done_callback(self.looking.discard)
        return looks

    def _status_of(
        self, looks: Mapping[str, asyncio.Task[Look]]
    ) -> Callable[[Instance], Awaitable[ServiceStatus]]:
        """A function that gives an instance's status once its node has answered."""

        async def status_of(instance: Instance) -> ServiceStatus:
            look = await asyncio.shield(looks[instance.node])
            return instance_status(self.fleet, instance, look)

        return status_of

    def _lacks(
        self, looks: Mapping[str, asyncio.Task[Look]]
    ) -> Callable[[Instance], Awaitable[str]]:
        """A function that says what an instance's node lacks of what the job requires."""

        async def lacks(instance: Instance) -> str:
            facts = (await asyncio.shield(looks[instance.node])).facts
            return why_not_started(facts, instance.node, self.job) if facts and self.job else ""

        return lacks

    async def _obstacles(
        self,
        chosen: Sequence[Instance],
        looks: Mapping[str, asyncio.Task[Look]],
        *,
        anew: bool = False,
        again: bool = True,
    ) -> tuple[Checked, dict[str, tuple[Problem, ...]]]:
        """What nodes say, and the problems of the network that would make ``chosen`` fail, by
        instance.

        Nodes that are lost or slow to answer are not waited for, and left out.

        :param again: what is done is going to be started, too.
        :param anew: running instances are going to be restarted, so what their nodes lack counts.
        """
        pending = set(looks.values())
        await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        if pending := {task for task in pending if not task.done()}:
            await asyncio.wait(pending, timeout=STRAGGLERS_WAIT_S)
        late = Look(error=LinkError("", "it has not answered yet"))
        known = {name: task.result() if task.done() else late for name, task in looks.items()}
        observer = self._observer
        checked = assess(observer.fleet, self.job, observer.expectations, known, duration_s=0.0)
        known_now = checked.status.services
        open_ones = [i for i in chosen if again or not known_now[i.name].done]
        found = obstacles(
            checked.fleet, checked.expectations, checked.status, self._plan(open_ones), anew=anew
        )
        for instance in chosen if anew else ():
            lacks = tuple(p for p in checked.status.problems if _is_lack(p, instance))
            if lacks:
                found[instance.name] = (*found.get(instance.name, ()), *lacks)
        return checked, found

    def _plan(self, chosen: Sequence[Instance]) -> tuple[PlanStep, ...]:
        return plan(self.job, chosen) if self.job else ()


async def _with_words(instance: Instance, look: asyncio.Task[Look]) -> Instance:
    facts = (await asyncio.shield(look)).facts
    record = facts.records.get((instance.job, instance.name)) if facts else None
    if instance.words is not None or record is None:
        return instance
    return structs.replace(instance, words=record.words)


def _is_lack(problem: Problem, instance: Instance) -> bool:
    """Whether the instance's node lacks what the job requires."""
    return (
        (problem.code, problem.severity) == (REQUIREMENT_MISSING.code, "error")
        and problem.node == instance.node
        and instance.command is not None
    )


def _not_told(facts: NodeFacts) -> str:
    """Why it is not known all that runs on the node; empty: it is."""
    told = (facts.unknown.get(probe, "") for probe in ("records", "tmux", "runs"))
    return next((why for why in told if why.startswith((CUT_OFF, NO_ANSWER))), "")


def _each_once(problems: Mapping[str, Sequence[Problem]]) -> tuple[Problem, ...]:
    found: list[Problem] = []
    for several in problems.values():
        found += [problem for problem in several if problem not in found]
    return tuple(found)
