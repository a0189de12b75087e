"""Starts instances in parallel, each as soon as those that it starts after are ready."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from ipaddress import IPv4Address

from msgspec import structs

from fleetctl.errors import FleetctlError, LaunchError, LinkError, TmuxError
from fleetctl.finishing import to_the_end
from fleetctl.health.services import not_asked_yet, service_status, unknown_status
from fleetctl.hiding import hidden
from fleetctl.launch.birth import Birth
from fleetctl.launch.membership import Memberships
from fleetctl.launch.node_files import LOCK_STALE_MINUTES, forget_script
from fleetctl.launch.preparing import NotPrepared, Preparations
from fleetctl.launch.secrets import Secrets
from fleetctl.launch.settling import Settling
from fleetctl.link.links import Links
from fleetctl.model.jobs import Instance, Until
from fleetctl.model.plan import PlanStep, met
from fleetctl.model.progress import Progress
from fleetctl.model.status import ALIVE_STATES, UNREADY_STATES, ServiceState, ServiceStatus
from fleetctl.observe.asking import Unasked
from fleetctl.observe.conditions import external_answers
from fleetctl.observe.look import look
from fleetctl.probes.echoes import path_text
from fleetctl.probes.node import services_script

PATH_TIMEOUT_S = 6.0
FORGET_TIMEOUT_S = 20.0
DONE_ALREADY = "done already; --again runs it once more"
STARTED_S = 0.1
"""How soon it is seen that an instance, of which that is waited for, runs."""
LOCK_WAIT_S = 60.0 * LOCK_STALE_MINUTES + 15.0
"""Outlasts a stale lock, which expires after LOCK_STALE_MINUTES."""


class Runner:
    """Runs one start. Its results are :class:`ServiceStatus` values, also for failures.

    :param known: gives an instance's status before the start, once its node has answered; a node
        that does not answer delays only its own instances and those that wait for them.
    :param report: called in the event loop for every change of an instance.
    :param check_paths: whether an instance waits until it can reach the addresses on which its
        dependencies listen.
    :param ssh_ports: the port of each node's SSH server, for nodes that have one.
    :param began_s: when the whole action began, by ``time.monotonic()``; by default now.
    :param elastic: whether an instance starts as soon as one instance of each service that it
        starts after is ready and the rest has failed to be.
    :param left_out: instances that are not started, with the reason.
    :param lacks: why nothing can be started on an instance's node, once that has answered; an empty
        text: it has what the job requires.
    :param preparations: what is run on a node before anything is started there.
    :param again: whether services that run once, and are done, are started, too.
    :param anew: whether of everything that ended, and not only of what runs once, the end is
        forgotten before it waits for its turn: for those who wait for what comes of this start.
    :param memberships: what members are told of what follows when one of them fails.
    """

    def __init__(
        self,
        fleet: str,
        links: Links,
        known: Callable[[Instance], Awaitable[ServiceStatus]],
        secrets: Secrets,
        report: Callable[[Progress], object],
        *,
        check_paths: bool = True,
        ssh_ports: Mapping[str, int | None] | None = None,
        began_s: float | None = None,
        elastic: bool = False,
        left_out: Mapping[str, str] | None = None,
        lacks: Callable[[Instance], Awaitable[str]] | None = None,
        preparations: Preparations | None = None,
        again: bool = False,
        anew: bool = False,
        memberships: Memberships | None = None,
    ) -> None:
        self._again = again
        self._anew = anew
        self._memberships = memberships
        self._elastic = elastic
        self._left_out = left_out or {}
        self._lacks = lacks
        self._preparations = preparations
        self._fleet = fleet
        self._ssh_ports = ssh_ports or {}
        self._check_paths = check_paths
        self._links = links
        self._known = known
        self._secrets = secrets
        self._report = report
        self._began_s = time.monotonic() if began_s is None else began_s
        self.statuses: dict[str, ServiceStatus] = {}
        """The newest status of each instance."""
        self._outcomes: dict[str, asyncio.Task[ServiceStatus]] = {}
        self._births: dict[str, Birth] = {}
        self._reported: set[str] = set()

    async def start(self, steps: Sequence[PlanStep]) -> dict[str, ServiceStatus]:
        """Start ``steps`` and wait until each is ready, or it is clear why it is not.

        Cancelling it ends only the waiting: started instances run on, see ``statuses``.
        """
        for step in steps:
            self._placeholder(step.instance)
            self._outcomes[step.instance.name] = asyncio.create_task(self._drive(step))
        try:
            await asyncio.gather(*self._outcomes.values())
        finally:
            for task in self._outcomes.values():
                task.cancel()
            await asyncio.gather(*self._outcomes.values(), return_exceptions=True)
            if self._preparations:
                await self._preparations.close()
            for birth in self._births.values():
                birth.close()
        return {name: self.statuses[name] for name in self._outcomes}

    async def _drive(self, step: PlanStep) -> ServiceStatus:
        instance = step.instance
        try:
            return await self._bring_up(step)
        except LinkError as error:
            return self._become(instance, unknown_status(instance, error.reason))
        except NotPrepared as error:
            now = self.statuses[instance.name]
            self.statuses[instance.name] = structs.replace(now, last_lines=error.last_lines)
            return self._change(instance, "failed", f"{error.reason}. {error.hint}")
        except FleetctlError as error:
            reason = error.reason if isinstance(error, LaunchError | TmuxError) else error.message
            said = f"{reason}. {error.hint}" if error.hint else reason
            return self._change(instance, "failed", said)

    async def _bring_up(self, step: PlanStep) -> ServiceStatus:
        instance = step.instance
        if instance.command is None:
            return await self._watch(instance)
        known = self.statuses[instance.name] = await self._known(instance)
        if known.state == "unknown":
            return self._become(instance, known)
        if known.done and not self._again:
            return self._change(instance, "exited", DONE_ALREADY)
        if known.state in ("exited", "failed") and (instance.once or self._anew):
            link = await self._links.get(instance.node)
            script = forget_script(self._fleet, instance)
            await to_the_end(link.run(script, timeout_s=FORGET_TIMEOUT_S))
        if known.state not in ALIVE_STATES:
            if reason := self._left_out.get(instance.name):
                return self._change(instance, "waiting", f"left out: {reason}")
            if self._lacks and (reason := await self._lacks(instance)):
                return self._change(instance, "failed", reason)
            if self._preparations:
                what = f"prepares {instance.node}: {self._preparations.line(instance.node)}"
                self._change(instance, "waiting", hidden(what))
                await self._preparations.prepare(instance)
            if reason := await self._wait_for(step):
                return self._change(instance, "waiting", reason)
            self._change(instance, "starting", None)
            await self._launch(instance)
        elif known.tmux is None:  # tmux has lost its socket, which starting it gives back
            await self._launch(instance)
        return await self._until_ready(instance)

    async def _launch(self, instance: Instance) -> None:
        """Start it; wait while another controller has its lock."""
        link = await self._links.get(instance.node)
        if instance.node not in self._births:
            self._births[instance.node] = Birth(self._fleet, link, self._secrets, self._memberships)
        deadline = time.monotonic() + LOCK_WAIT_S
        # a start that is cancelled half-way would leave half an instance behind
        while not await to_the_end(self._births[instance.node].start(instance)):
            if time.monotonic() > deadline:
                raise LaunchError(
                    instance.name,
                    f"another fleetctl has been starting or stopping it for {LOCK_WAIT_S:g} s",
                    hint="See what that one says, or where it hangs.",
                )
            self._change(instance, "starting", "another fleetctl is starting or stopping it")
            await asyncio.sleep(0.3)

    async def _until_ready(self, instance: Instance) -> ServiceStatus:
        settling = Settling(self._fleet, instance, self._links, lambda s: self._become(instance, s))
        return self._become(instance, await settling.wait())

    async def _watch(self, instance: Instance) -> ServiceStatus:
        """Wait for an instance that is started by hand."""
        node = instance.node
        deadline = time.monotonic() + instance.ready.timeout_s
        link = self._links.controller()
        while True:
            reason = f"waits for {instance.ready.value} on {node}, which is started by hand"
            try:
                if await external_answers(link, instance):
                    return self._change(instance, "ready", None)
            except Unasked as error:
                reason = f"{reason}; {error}"
            self._change(instance, "waiting", reason)
            if time.monotonic() > deadline:
                return self.statuses[instance.name]
            await asyncio.sleep(instance.ready.interval_s)

    # what an instance waits for

    async def _wait_for(self, step: PlanStep) -> str | None:
        """Wait until everything it needs is ready; if that will not be, the reason."""
        instance = step.instance
        if missing := [i.name for i in step.needs if not self._is_met(i, instance)]:
            self._change(instance, "waiting", f"waits for {', '.join(missing)}")
        came = await self._outcomes_of(instance, step.needs)
        outcomes = {name: self.statuses[name] for name in came}  # one may have ended since
        ready = [
            need
            for need in step.needs
            if need.name in outcomes and met(need, outcomes[need.name], instance.waits_until(need))
        ]
        unmet: dict[str, str] = {}
        for need in step.needs:
            if need in ready or need.name not in outcomes:
                continue
            unmet.setdefault(need.service, not_met(need, outcomes[need.name]))
        served = {need.service for need in ready} if self._elastic else frozenset[str]()
        if missing := [reason for service, reason in unmet.items() if service not in served]:
            return missing[0]
        return await self._wait_for_path(instance, ready) if self._check_paths else None

    async def _outcomes_of(
        self, instance: Instance, needs: Sequence[Instance]
    ) -> dict[str, ServiceStatus]:
        """By name: how each of ``needs`` came out; but for an elastic job only up to the first that
        will not be ready, since nothing is to be waited for then."""
        found: dict[str, ServiceStatus] = {}
        waiting = {
            asyncio.ensure_future(self._outcome(need, instance.waits_until(need))): need
            for need in needs
        }
        try:
            while waiting:
                done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    need = waiting.pop(task)
                    found[need.name] = task.result()
                    done_for = met(need, found[need.name], instance.waits_until(need))
                    if not (self._elastic or done_for):
                        return found
            return found
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def _outcome(self, need: Instance, until: Until) -> ServiceStatus:
        """The status of ``need`` that tells whether it came to what is waited for, whether this
        start starts it or something else did."""
        status = await self._settled(need, until)
        while until == "exited-ok" and need.command is not None and status.state in ALIVE_STATES:
            await asyncio.sleep(need.ready.interval_s)
            link = await self._links.get(need.node)
            facts = await look(link, services_script(self._fleet, need.node))
            status = self._become(need, service_status(self._fleet, need, facts))
        return status

    async def _settled(self, need: Instance, until: Until) -> ServiceStatus:
        if task := self._outcomes.get(need.name):
            while until == "started" and not task.done():
                if met(need, self.statuses[need.name], until):
                    return self.statuses[need.name]
                await asyncio.wait({task}, timeout=STARTED_S)
            return await asyncio.shield(task)
        self._placeholder(need)
        if need.command is None:
            return await self._watch(need)
        status = self.statuses[need.name] = await self._known(need)
        if status.state in UNREADY_STATES and not met(need, status, until):
            return await self._until_ready(need)
        return status

    async def _wait_for_path(self, instance: Instance, needs: Sequence[Instance]) -> str | None:
        """Wait until the node reaches the address of each of ``needs``, and its peers; if not, the
        reason.

        An answered ping, or an answer of the SSH port there, proves the way there and back; the
        port on which the need listens is not touched.
        """
        deadline = time.monotonic() + instance.ready.timeout_s
        for need in needs:
            listen = instance.endpoint(need)
            if listen is None or need.node == instance.node:
                continue
            if listen.address.is_loopback or listen.address.is_unspecified:
                continue
            to = listen.address
            if reason := await self._wait_for_answer(instance, to, need.node, deadline, need):
                return reason
        for node, to in instance.peers.items():
            if reason := await self._wait_for_answer(instance, to, node, deadline):
                return reason
        return None

    async def _wait_for_answer(
        self,
        instance: Instance,
        address: IPv4Address,
        node: str,
        deadline: float,
        need: Instance | None = None,
    ) -> str | None:
        """Wait until ``address`` of ``node`` answers; if not, the reason.

        :param need: what runs there, if ``instance`` starts after it; else one of its peers does.
        """
        name = need.name if need else f"{instance.service}@{node}"
        reason = f"no path from {instance.node} to {address} and back ({name})"
        while not await self._answers(instance.node, address, node):
            if need and (ended := await self._ended(need, instance.waits_until(need))):
                return ended
            if time.monotonic() > deadline:
                return reason
            self._change(instance, "waiting", reason)
            await asyncio.sleep(0.5)
        return None

    async def _ended(self, need: Instance, until: Until) -> str | None:
        """How ``need`` ended, if its node says that it is no longer there to be reached."""
        if need.command is None:
            return None
        try:
            facts = await look(
                await self._links.get(need.node), services_script(self._fleet, need.node)
            )
        except LinkError:
            return None  # where a need's node is lost, the path may come back with it
        status = service_status(self._fleet, need, facts)
        if status.state == "unknown" or status.state in ALIVE_STATES or met(need, status, until):
            return None
        return not_met(need, self._become(need, status))

    async def _answers(self, node: str, address: IPv4Address, peer: str) -> bool:
        link = await self._links.get(node)
        script = path_text(address, self._ssh_ports.get(peer))
        done = await link.run(script, timeout_s=PATH_TIMEOUT_S)
        return done.exit_status == 0

    # statuses and progress

    def _placeholder(self, instance: Instance) -> None:
        self.statuses.setdefault(instance.name, not_asked_yet(instance))

    def _is_met(self, need: Instance, waiting: Instance) -> bool:
        status = self.statuses.get(need.name)
        return status is not None and met(need, status, waiting.waits_until(need))

    def _change(self, instance: Instance, state: ServiceState, reason: str | None) -> ServiceStatus:
        now = self.statuses[instance.name]
        return self._become(instance, structs.replace(now, state=state, reason=reason))

    def _become(self, instance: Instance, status: ServiceStatus) -> ServiceStatus:
        before = self.statuses[instance.name]
        self.statuses[instance.name] = status
        new = (status.state, status.reason) != (before.state, before.reason)
        if new or instance.name not in self._reported:
            self._reported.add(instance.name)
            elapsed_s = time.monotonic() - self._began_s
            said = status.last_lines or ()
            name, state, reason = instance.name, status.state, status.reason
            self._report(Progress("start", name, state, reason, elapsed_s, said))
        return status


def not_met(need: Instance, status: ServiceStatus) -> str:
    """How ``need`` is, which is not as what starts after it wants it, as a clause."""
    # a waiting instance gives its own reason elsewhere
    why = f" ({status.reason})" if status.reason and status.state != "waiting" else ""
    return f"{need.name} is {status.state}{why}"
