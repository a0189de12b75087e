"""Asks the nodes of one fleet: over which link, with which questions."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import IPv4Address

from msgspec.structs import replace

from fleetctl.errors import LinkError
from fleetctl.link.links import Links
from fleetctl.link.mistakes import of_node
from fleetctl.link.protocol import Link
from fleetctl.model.expectations import Expectations, derive
from fleetctl.model.facts import NodeFacts
from fleetctl.model.jobs import Instance, Job
from fleetctl.model.leases import with_leases
from fleetctl.model.look import Look, RawAnswer
from fleetctl.model.questions import Depth, Questions
from fleetctl.model.ready import Ready
from fleetctl.model.topology import Fleet, Node
from fleetctl.observe.absences import Absences
from fleetctl.observe.asking import Unasked
from fleetctl.observe.by_hand import ByHand
from fleetctl.observe.conditions import OpenConditions
from fleetctl.observe.look import LOOK_TIMEOUT_S, look
from fleetctl.observe.progression import Progression
from fleetctl.observe.questions import questions
from fleetctl.probes.node import (
    ECHOES,
    clock_script,
    echoes_script,
    interfaces_script,
    node_script,
    read_raw,
    services_script,
)

FIRST_LEASE_S = 5.0
"""How long the first node is waited for that says which addresses it has. Connecting goes on
meanwhile, and serves what is asked next."""
LATE_LEASES_S = 3.0
"""How long nodes are waited for that did not say yet which addresses they have, after the first
answer."""


class Observer:
    """Asks nodes of ``fleet`` how they are, and how the instances of ``job`` on them are.

    :param beside: other jobs whose instances are asked for in the same looks.
    """

    def __init__(
        self,
        fleet: Fleet,
        job: Job | None,
        expectations: Expectations,
        links: Links,
        beside: Sequence[Job] = (),
    ) -> None:
        self.fleet = fleet
        """With the addresses that DHCP gave, as far as nodes told them."""
        self.expectations = expectations
        """What must be true of ``fleet``."""
        self._job = job
        self._links = links
        self._jobs = (*([job] if job else ()), *beside)
        self._by_hand = ByHand(self._jobs)
        self.absences = Absences()

    async def link(self, node: Node) -> Link:
        """:raises LinkError: the node cannot be reached."""
        return await self._links.get(node.name)

    def learn(self, node: str, facts: NodeFacts) -> None:
        """Take the addresses that DHCP gave ``node``, by its own words, and what its instances are
        connected to."""
        self._by_hand.learn(node, facts)
        self.absences.heard(node)
        known = with_leases(self.fleet, {node: facts})
        if known is not self.fleet:
            self.fleet, self.expectations = known, derive(known, self._job)

    async def ask_leases(self) -> None:
        """Ask nodes for the addresses that DHCP gave them, where these are not known: only then
        can the others be asked whether they reach them.

        A node that is lost is left out, and one that is slow to answer.
        """

        async def ask(node: Node) -> None:
            with suppress(LinkError):
                link = await self.link(node)
                facts = await look(link, interfaces_script(self.fleet.name, node.name))
                self.learn(node.name, facts)

        asked = [
            asyncio.create_task(ask(node))
            for node in self.fleet.nodes.values()
            if node.connection != "none" and node.leased - node.addresses.keys()
        ]
        try:
            if asked:
                done, slow = await asyncio.wait(
                    asked, timeout=FIRST_LEASE_S, return_when=asyncio.FIRST_COMPLETED
                )
                if done and slow:
                    await asyncio.wait(slow, timeout=LATE_LEASES_S)
        finally:
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)

    def questions(self, node: Node, depth: Depth) -> Questions:
        """What ``node`` is asked."""
        return questions(self.fleet, self._jobs, self.expectations, node, depth)

    def conditions(self, node: Node, *, passing: bool = False) -> OpenConditions:
        """The ready conditions on ``node``; see :class:`OpenConditions`."""
        return OpenConditions(self.fleet.name, self._instances(node), passing=passing)

    def progression(self, node: Node) -> Progression:
        """The work of the instances on ``node``."""
        return Progression(self._instances(node))

    async def look(
        self, node: Node, depth: Depth = "status", *, versions: bool | None = None
    ) -> Look:
        """Ask ``node`` once; errors are in the result.

        :param versions: whether programs that the job requires are asked for their versions; None:
            as ``depth`` does.
        """
        asked = self.questions(node, depth)
        if versions is not None:
            asked = replace(asked, versions=versions)
        try:
            with of_node(node.name):
                return await self._look(node, asked)
        except LinkError as error:
            return self.lost(node, error)

    def lost(self, node: Node, error: LinkError) -> Look:
        """The look at a node that cannot be asked."""
        self._by_hand.lose(node.name)
        self.absences.lost(node.name)
        return Look(error=error)

    async def _look(self, node: Node, asked: Questions) -> Look:
        """:raises LinkError: it cannot be asked."""
        if node.connection == "none":
            return await self.look_from_here(node)
        link = await self.link(node)
        facts = await look(link, node_script(asked))
        self.learn(node.name, facts)
        facts = await self.conditions(node, passing=True).ask(link, facts)
        facts = self.progression(node).read(facts)
        return Look(
            facts=facts,
            address=link.address,
            connect_ms=link.connect_ms,
            shell_s=link.shell_s,
            ignored=link.ignored,
            via=link.via,
            bypassed=link.bypassed,
        )

    async def echoes(self, node: Node, addresses: frozenset[IPv4Address]) -> NodeFacts:
        """Only the echoes of ``check`` to some addresses that must answer.

        :raises LinkError: ``node`` cannot be asked.
        """
        with of_node(node.name):
            return await self._echoes(node, addresses)

    async def _echoes(self, node: Node, addresses: frozenset[IPv4Address]) -> NodeFacts:
        link = await self.link(node)
        asked = self.questions(node, "check")
        echoes = {a: port for a, port in asked.echoes.items() if a in addresses}
        return await look(link, echoes_script(replace(asked, echoes=echoes, silent=())))

    async def look_from_here(self, node: Node, *, now: bool = False) -> Look:
        """Look at a node that cannot be logged into: only the ready conditions of its instances.

        :param now: also try what accepted a connection a moment ago.
        """
        mine = [one for one in self._instances(node) if self._by_hand.wants(one)]
        link = self._links.controller()
        answers: dict[tuple[str, str], bool] = {}

        async def ask(ready: Ready) -> None:
            alike = [instance for instance in mine if instance.ready == ready]
            with suppress(Unasked):  # then it is unknown
                answer = await self._by_hand.answers(link, node, alike[0], now=now)
                answers.update({(i.job, i.name): answer for i in alike})

        await asyncio.gather(*map(ask, dict.fromkeys(i.ready for i in mine)))
        return Look(answers=answers)

    async def instances_on(self, node: str) -> NodeFacts:
        """Only the state of the instances on ``node``.

        :raises LinkError: it cannot be asked.
        """
        link = await self._links.get(node)
        return await look(link, services_script(self.fleet.name, node))

    async def clock_offset_s(self, node: str) -> float | None:
        """The clock of ``node`` minus the controller's; 0 if the reading cannot tell them apart.

        None: not known.

        :raises LinkError: it cannot be asked.
        """
        with of_node(node):
            link = await self._links.get(node)
            facts = await look(link, clock_script(self.fleet.name, node))
        offset_s, error_s = facts.reliability.clock_offset_s, facts.reliability.clock_error_s
        return 0.0 if offset_s is not None and abs(offset_s) <= (error_s or 0.0) else offset_s

    async def raw_answers(self, node: Node) -> tuple[RawAnswer, ...]:
        """What ``check`` asks ``node``, and the literal answers.

        :raises LinkError: it cannot be asked.
        """
        link = await self.link(node)
        script = node_script(self.questions(node, "check"))
        done = await link.run(script.text, timeout_s=LOOK_TIMEOUT_S)
        pings = RawAnswer(ECHOES, "ping", done.stderr.decode("utf-8", "replace"), 0)
        return (*read_raw(script, done.text), pings)

    def _instances(self, node: Node) -> tuple[Instance, ...]:
        return tuple(instance for job in self._jobs for instance in job.on(node.name))
