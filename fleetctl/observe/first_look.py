"""Asking hosts that no nodes.yaml lists yet what they are and how they are connected."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Self

from msgspec.structs import replace

from fleetctl.discovery.answer import Answer, Host
from fleetctl.discovery.cables import bare_ports
from fleetctl.discovery.interfaces import link_addresses
from fleetctl.errors import (
    AuthFailed,
    ConnectFailed,
    ConnectTimedOut,
    HostKeyUnknown,
    LinkError,
)
from fleetctl.link.links import Links
from fleetctl.link.mistakes import of_node
from fleetctl.link.protocol import Link
from fleetctl.model.facts import NodeFacts
from fleetctl.model.questions import Questions
from fleetctl.model.topology import Fleet, Node
from fleetctl.observe.look import LOOK_TIMEOUT_S, look
from fleetctl.probes.node import node_script
from fleetctl.probes.registry import BY_NAME
from fleetctl.probes.wired_links import read_wired, wired_script

_ASKED = frozenset(
    {
        "connections-at-boot",
        "forwarding",
        "interfaces",
        "managers-at-boot",
        "neighbours",
        "routes",
        "system",
        "thunderbolt",
    }
)
_FLEET = "init"

Answers = Mapping[int, Answer]
"""By the host's place in the list of hosts."""


class FirstLook:
    """Asks hosts at the same time. Leaving the context ends its connections."""

    def __init__(self, hosts: Sequence[Host], logins: Mapping[int, Link]) -> None:
        """
        :param logins: connections that are there already, by the host's place.
        """
        self._hosts = hosts
        self._logins = logins
        # two hosts may be called the same
        nodes = {str(place): Node(str(place), host.ssh) for place, host in enumerate(hosts)}
        self._links = Links(Fleet(_FLEET, networks={}, nodes=nodes))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._links.close()

    async def ask(
        self, places: Collection[int], answered: Callable[[int, Answer], None]
    ) -> dict[int, Answer]:
        """Ask the hosts at ``places``, each with one script.

        :param answered: called as each answer comes.
        """

        async def ask(place: int) -> Answer:
            answer = await self._ask(place)
            answered(place, answer)
            return answer

        return dict(zip(places, await asyncio.gather(*map(ask, places)), strict=True))

    async def cables(self, answers: Answers) -> dict[int, Answer]:
        """The answers, with what answers at Ethernet ports that have a link and no address: with
        such ports on one host only there is nothing to find."""
        facts = {str(place): a.facts for place, a in answers.items() if a.facts}
        bare: dict[str, list[str]] = {}
        for port in bare_ports(facts):
            bare.setdefault(port.node, []).append(port.interface.name)
        if len(bare) < 2:
            return dict(answers)

        async def ask(place: int, answer: Answer) -> Answer:
            key = str(place)
            if key not in bare:
                return answer
            others = [a for other in bare if other != key for a in link_addresses(facts[other])]
            script = wired_script(bare[key], others)
            try:
                with of_node(label(answer.host)):
                    link = await self._link(place)
                    done = await link.run(script.text, timeout_s=LOOK_TIMEOUT_S)
            except LinkError:  # what it said before counts
                return answer
            return replace(answer, heard=read_wired(script, done.text))

        found = await asyncio.gather(*(ask(place, a) for place, a in answers.items()))
        return dict(zip(answers, found, strict=True))

    async def _link(self, place: int) -> Link:
        return self._logins.get(place) or await self._links.get(str(place))

    async def _ask(self, place: int) -> Answer:
        host = self._hosts[place]
        link: Link | None = None
        try:
            with of_node(label(host)):
                link = await self._link(place)
                facts = await _look(link)
        except LinkError as error:
            return Answer(
                host,
                error=error.reason,
                silent=isinstance(error, ConnectFailed | ConnectTimedOut),
                shut=isinstance(error, AuthFailed | HostKeyUnknown),
                peer=link.address if link else None,
            )
        return Answer(host, facts=facts, peer=link.address)


async def ask_here() -> NodeFacts | None:
    """What this machine says of itself; None: its system is not supported, or it does not say."""
    async with Links(Fleet(_FLEET, networks={}, nodes={})) as links:
        try:
            facts = await _look(links.controller())
        except LinkError:
            return None
        return None if facts.unsupported else facts


def label(host: Host) -> str:
    """The host in messages."""
    return host.name or host.ssh.host


async def _look(link: Link) -> NodeFacts:
    questions = Questions(_FLEET, link.node, depth="check")
    return await look(link, node_script(questions, without=frozenset(BY_NAME) - _ASKED))
