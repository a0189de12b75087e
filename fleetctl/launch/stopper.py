"""Stops instances, dependents first: signal, grace, KILL; done once all their processes ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from operator import attrgetter

import msgspec

from fleetctl.errors import LinkError, LinkHung, TmuxError
from fleetctl.health.services import service_status, unknown_status
from fleetctl.health.sockets import strangers
from fleetctl.launch.node_files import stop_script
from fleetctl.link.links import Links
from fleetctl.link.mistakes import of_node
from fleetctl.link.protocol import Link
from fleetctl.model.facts import NodeFacts
from fleetctl.model.jobs import Instance
from fleetctl.model.progress import Progress
from fleetctl.model.status import ALIVE_STATES, ServiceState, ServiceStatus
from fleetctl.observe.look import look
from fleetctl.probes.node import services_script
from fleetctl.tmux.server import NodeTmux

_LEAVING_S = 0.3
_WORDS = frozenset({"signalled", "killed", "left", "done", "windows", "unread"})
"""What stop.sh says."""
_LINE = 64 * 1024
"""The most that is kept of a line without an end."""
_BEYOND_GRACE_S = 30.0
"""More than stop.sh ever waits besides the grace: for the lock, after KILL, for the supervisor."""


class Stopper:
    """Runs one stop. Its results are :class:`ServiceStatus` values, also for failures.

    :param known: gives an instance's status before the stop, once its node has answered.
    :param report: called in the event loop for every step of an instance.
    :param began_s: when the whole action began, by ``time.monotonic()``; by default now.
    :param answered: whether an instance's node has answered; then it is stopped also where its
        state is unknown, such as with a damaged record.
    :param name: how an instance is called in results and progress.
    """

    def __init__(
        self,
        fleet: str,
        links: Links,
        known: Callable[[Instance], Awaitable[ServiceStatus]],
        report: Callable[[Progress], object],
        began_s: float | None = None,
        *,
        answered: Callable[[Instance], bool] = lambda _: False,
        name: Callable[[Instance], str] = attrgetter("name"),
    ) -> None:
        self._fleet = fleet
        self._links = links
        self._known = known
        self._report = report
        self._answered = answered
        self._name = name
        self._began_s = time.monotonic() if began_s is None else began_s

    async def stop(self, groups: Sequence[Sequence[Instance]]) -> dict[str, ServiceStatus]:
        """Stop ``groups`` one after the other, the instances of each in parallel.

        A node that is lost in one group does not keep the next group from being stopped.
        """
        results: dict[str, ServiceStatus] = {}
        for group in groups:
            ours = [instance for instance in group if instance.command is not None]
            done = await asyncio.gather(*(self._stop(instance) for instance in ours))
            results.update({self._name(i): status for i, status in zip(ours, done, strict=True)})
        return results

    async def _stop(self, instance: Instance) -> ServiceStatus:
        before = await self._known(instance)
        status = before
        if before.state != "unknown" or self._answered(instance):
            try:
                with of_node(instance.node):
                    link = await self._links.get(instance.node)
                    status = await self._end(instance, before, link)
            except LinkError as error:
                status = unknown_status(instance, error.reason)
            except TmuxError as error:
                status = msgspec.structs.replace(before, state="failed", reason=error.reason)
        self._tell(instance, status.state, status.reason)
        return status

    async def _end(self, instance: Instance, before: ServiceStatus, link: Link) -> ServiceStatus:
        words: dict[str, list[str]] = {}
        longest_s = 2 * (instance.stop.grace_s + _BEYOND_GRACE_S)
        try:
            async with asyncio.timeout(longest_s):
                errors = await self._run(instance, before, link, words)
        except TimeoutError:
            said = f"its stop on the node did not end within {longest_s:g} s"
            raise LinkHung(instance.node, said) from None
        left = words.get("left")
        if windows := words.get("windows"):
            tmux = NodeTmux(link)
            try:
                for window_id in windows:
                    await tmux.close_window(window_id)
            finally:
                tmux.close()
        facts = await look(link, services_script(self._fleet, instance.node))
        if facts.panes is None:
            # a tmux server that has just lost its last window is exiting: ask again
            await asyncio.sleep(_LEAVING_S)
            facts = await look(link, services_script(self._fleet, instance.node))
        status = service_status(self._fleet, instance, facts)
        if "done" not in words and left is None:
            said = errors.decode("utf-8", "replace").strip()
            reason = f"the stop script ended early: {said or 'no output'}"
            if (named := words.get("unread")) is not None:
                reason = _unread(instance, said, named)
            return msgspec.structs.replace(status, state="failed", reason=reason)
        if left:
            reason = f"processes {', '.join(left)} do not end, even by KILL"
            return msgspec.structs.replace(status, state="failed", reason=reason)
        return _port_freed(instance, before, status, facts)

    async def _run(
        self, instance: Instance, before: ServiceStatus, link: Link, words: dict[str, list[str]]
    ) -> bytes:
        """Run stop.sh, with what it says last of each kind in ``words``; its stderr."""
        partial = ""
        async with link.stream(stop_script(self._fleet, instance)) as stream:
            stream.write_eof()
            while data := await stream.read(instance.stop.grace_s + _BEYOND_GRACE_S):
                *lines, partial = (partial + data.decode("utf-8", "replace")).split("\n")
                partial = partial[:_LINE]
                for line in lines:
                    key, *rest = line.split() or [""]
                    if key not in _WORDS:
                        continue
                    words[key] = rest
                    if said := _in_words(instance, key, rest):
                        self._tell(instance, before.state, said)
        return stream.stderr

    def _tell(self, instance: Instance, state: ServiceState, reason: str | None) -> None:
        elapsed_s = time.monotonic() - self._began_s
        self._report(Progress("stop", self._name(instance), state, reason, elapsed_s))


def _in_words(instance: Instance, key: str, rest: Sequence[str]) -> str | None:
    """A line of stop.sh as a sentence."""
    number = rest[0] if rest else "0"
    one = number == "1"
    processes = "1 process" if one else f"{number} processes"
    grace = f"{instance.stop.grace_s:g} s"
    if key == "signalled":
        has = "has" if one else "have"
        return f"{instance.stop.signal} sent to {processes}, which {has} {grace} to end"
    if key == "killed":
        return f"KILL sent to {processes} that did not end within {grace}"
    return None


def _unread(instance: Instance, said: str, named: Sequence[str]) -> str:
    """Why it is not known whether its processes have ended.

    :param named: the process that its record names, if any.
    """
    which = f" (its record names process {named[0]})" if named else ""
    return (
        f"whether its processes on {instance.node} have ended is not known{which}: "
        f"{said or 'the stop script ended early'}"
    )


def _port_freed(
    instance: Instance, before: ServiceStatus, status: ServiceStatus, facts: NodeFacts
) -> ServiceStatus:
    """Fail the stop if the instance had its port before, and another process has it now, or that
    is not known."""
    ports = {f":{listen.port}" for listen in instance.bindings}
    if before.listening is None:  # what it had is not known
        held = before.state in ALIVE_STATES
    else:
        held = any(socket.endswith(tuple(ports)) for socket in before.listening)
    if not held or not ports:
        return status
    if facts.listeners is None:
        why = facts.unknown.get("listeners", "it was not asked")
        which = f"its port {min(ports)}" if len(ports) == 1 else "each of its ports"
        reason = f"its processes are gone, but whether {which} is free is not known: {why}"
        return msgspec.structs.replace(status, state="failed", reason=reason)
    taken = strangers(instance, facts.listeners)
    if not taken:
        return status
    owner = taken[0].process or "another user's process"
    reason = f"its processes are gone, but {owner} still listens on {taken[0]}"
    return msgspec.structs.replace(status, state="failed", reason=reason)
