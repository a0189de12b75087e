"""Watching one node: it is polled over one conversation, and asked at once when it reports a
change."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

from msgspec.structs import replace

from fleetctl.errors import AnswerCut, LinkError, LinkHung
from fleetctl.link.mistakes import of_node
from fleetctl.link.protocol import Link
from fleetctl.model.look import Look
from fleetctl.model.questions import Depth
from fleetctl.model.topology import Node
from fleetctl.observe.conditions import OpenConditions
from fleetctl.observe.conversation import Conversation, converse
from fleetctl.observe.look import no_answer
from fleetctl.observe.observer import Observer
from fleetctl.observe.progression import Progression
from fleetctl.probes.node import Answered, NodeScript, hanging, node_script, services_script

DEEP_EVERY_S = 30.0
"""Interval of the questions that take longer: ten pings each, addresses that must not answer."""
DEEP_S = 0.3
"""The same, for each node of the fleet, if that is longer."""
FEW_NODES = 32
"""So many are all asked those questions at once, at first."""
HANGING_TIMEOUT_S = 5.0
"""A probe that timed out before, and does not answer within this either, hangs."""
STUCK_FOR_S = 60.0
"""A probe that hangs is left out for this long."""


class Wake:
    """Ends a node's pause early."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self.deep = False
        """Ask everything, not only the state of the instances."""

    def now(self, *, deep: bool = False) -> None:
        """Ask at once."""
        self.deep = self.deep or deep
        self._event.set()

    async def wait(self, timeout_s: float) -> bool:
        """Wait; whether it was woken within ``timeout_s``."""
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, timeout_s)):
                await self._event.wait()
        woken = self._event.is_set()
        self._event.clear()
        return woken


async def attend(
    observer: Observer,
    node: Node,
    conditions: OpenConditions,
    wake: Wake,
    *,
    interval_s: float,
    depth: Depth,
) -> AsyncGenerator[Look, None]:
    """Looks at ``node``, as they come; ends after one that is an error.

    :param conditions: the ready conditions on the node, kept from one call to the next.
    :param interval_s: seconds from one question to the next.
    """
    try:
        with of_node(node.name):
            found = _attend(observer, node, conditions, wake, interval_s, depth)
            async with aclosing(found) as looks:
                async for look in looks:
                    yield look
    except LinkError as error:
        yield observer.lost(node, error)


async def _attend(
    observer: Observer,
    node: Node,
    conditions: OpenConditions,
    wake: Wake,
    interval_s: float,
    depth: Depth,
) -> AsyncGenerator[Look, None]:
    """:raises LinkError: the node is lost."""
    if node.connection == "none":
        now, wake.deep = wake.deep, False
        yield await observer.look_from_here(node, now=now)
        return
    stuck: frozenset[str] = frozenset()
    progression = observer.progression(node)
    while True:
        link = await observer.link(node)
        asking = _Asking(observer, node, link, conditions, progression, depth, stuck)
        try:
            async for found in asking.looks(wake, interval_s):
                yield found
        except LinkHung:
            probe = await asking.hanging()
            if probe is None:
                raise
            stuck |= {probe}
        else:
            return


class _Asking:
    """Asks a node over one conversation.

    :param stuck: names of probes that are left out, because they hang.
    """

    def __init__(
        self,
        observer: Observer,
        node: Node,
        link: Link,
        conditions: OpenConditions,
        progression: Progression,
        depth: Depth,
        stuck: frozenset[str],
    ) -> None:
        self._observer = observer
        self._node = node
        self._fleet = observer.fleet.name
        self._link = link
        self._conditions = conditions
        self._progression = progression
        self._stuck = stuck
        self._began_s = time.monotonic()
        depths: tuple[Depth, ...] = ("status", "check") if depth == "check" else ("status",)
        self._of = observer.fleet
        """The addresses for which its questions were made."""
        self._scripts: dict[str, NodeScript] = {
            d: node_script(observer.questions(node, d), without=stuck) for d in depths
        }
        self._scripts["services"] = services_script(self._fleet, node.name)
        self._asked = ""
        self._known: Answered | None = None
        """All answers so far, the newest for each question."""
        self._deep_at_s: float | None = None

    async def hanging(self) -> str | None:
        """The probe that made the last question hang; None: not known.

        A conversation gives whole answers only, so the script is run once more outside it.
        """
        script = self._scripts[self._asked]
        if script.depth == "services":
            return None
        try:
            await self._link.run(script.text, timeout_s=HANGING_TIMEOUT_S)
        except AnswerCut:
            return None
        except LinkHung as hung:
            probe = hanging(script, hung.output.decode("utf-8", "replace"))
            return None if probe in self._stuck else probe
        return None

    async def looks(self, wake: Wake, interval_s: float) -> AsyncGenerator[Look, None]:
        """Ends when there is a better link.

        :raises LinkError: the node is lost, or does not answer.
        """
        async with converse(self._link, self._fleet, self._scripts, wake.now) as talk:
            while not self._over:
                began_s = time.monotonic()
                yield await self._look(talk, "status", began_s)
                if "check" in self._scripts and (wake.deep or self._deep_is_due()):
                    wake.deep = False
                    yield await self._look(talk, "check", began_s)
                    self._deep_at_s = time.monotonic()
                while await wake.wait(began_s + interval_s - time.monotonic()) and not wake.deep:
                    look = await self._look(talk, "services", time.monotonic())
                    yield replace(look, unasked=True)
                if self._link.outdated:
                    return

    @property
    def _over(self) -> bool:
        """Whether the questions have to be put anew: a probe that was left out may answer by now,
        or DHCP gave addresses that they do not ask for."""
        if self._stuck and time.monotonic() - self._began_s >= STUCK_FOR_S:
            return True
        if self._observer.fleet is self._of:
            return False
        self._of = self._observer.fleet
        asked = (s.questions for name, s in self._scripts.items() if name != "services")
        return any(self._observer.questions(self._node, q.depth) != q for q in asked)

    def _deep_is_due(self) -> bool:
        """For the first time at once, but in a large fleet after a while, at random: then all nodes
        are known before the first of them is asked what takes long."""
        nodes, now_s = len(self._observer.fleet.nodes), time.monotonic()
        if self._deep_at_s is None:
            if nodes <= FEW_NODES:
                return True
            self._deep_at_s = now_s - random.uniform(0.0, DEEP_EVERY_S)
        return now_s - self._deep_at_s > max(DEEP_EVERY_S, DEEP_S * nodes)

    async def _look(self, talk: Conversation, name: str, began_s: float) -> Look:
        """Ask one of the scripts; what it does not ask is kept from earlier answers."""
        self._asked = name
        said = await talk.ask(name)
        known = self._known.renewed(said) if self._known else said
        self._known = known.without_answer(self._stuck, no_answer())
        told = self._known.facts()
        self._observer.learn(self._node.name, told)
        told = self._observer.absences.without(self._observer.fleet, told)
        facts = self._progression.read(await self._conditions.ask(self._link, told))
        return Look(
            facts=facts,
            address=self._link.address,
            connect_ms=self._link.connect_ms,
            shell_s=self._link.shell_s,
            ignored=self._link.ignored,
            via=self._link.via,
            bypassed=self._link.bypassed,
            took_s=time.monotonic() - began_s,
        )
