"""Asking hosts that no nodes.yaml lists yet what they are and how they are connected."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from fleetctl.discovery.answer import Answer, Host
from fleetctl.discovery.cables import bare_ports
from fleetctl.discovery.interfaces import link_addresses
from fleetctl.errors import ConnectFailed, ConnectTimedOut, LinkError
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


async def ask_hosts(hosts: Sequence[Host], answered: Callable[[int, Answer], None]) -> list[Answer]:
    """Ask all ``hosts`` at the same time, each with one script.

    :param answered: called as each answer comes, with the host's place in ``hosts``.
    :returns: the answers, in the order of ``hosts``.
    """
    nodes = {str(i): Node(_label(host), host.ssh) for i, host in enumerate(hosts)}
    async with Links(Fleet(_FLEET, networks={}, nodes=nodes)) as links:

        async def ask(place: int, host: Host) -> Answer:
            answer = await _ask(links, str(place), host)
            answered(place, answer)
            return answer

        answers = await asyncio.gather(*(ask(i, host) for i, host in enumerate(hosts)))
        return await _asked_for_cables(links, answers)


async def _asked_for_cables(links: Links, answers: Sequence[Answer]) -> list[Answer]:
    """The answers, with what answers at Ethernet ports that have a link and no address: with one
    such port only there is nothing to find."""
    facts = {str(i): a.facts for i, a in enumerate(answers) if a.facts}
    bare: dict[str, list[str]] = {}
    for port in bare_ports(facts):
        bare.setdefault(port.node, []).append(port.interface.name)
    if len(bare) < 2:
        return list(answers)

    async def ask(key: str, answer: Answer) -> Answer:
        if key not in bare:
            return answer
        others = [a for other in bare if other != key for a in link_addresses(facts[other])]
        script = wired_script(bare[key], others)
        try:
            with of_node(_label(answer.host)):
                done = await (await links.get(key)).run(script.text, timeout_s=LOOK_TIMEOUT_S)
        except LinkError:  # what it said before counts
            return answer
        return replace(answer, heard=read_wired(script, done.text))

    return await asyncio.gather(*(ask(str(i), a) for i, a in enumerate(answers)))


async def ask_here() -> NodeFacts | None:
    """What this machine says of itself; None: its system is not supported, or it does not say."""
    async with Links(Fleet(_FLEET, networks={}, nodes={})) as links:
        try:
            facts = await _look(links.controller())
        except LinkError:
            return None
        return None if facts.unsupported else facts


async def _ask(links: Links, key: str, host: Host) -> Answer:
    link: Link | None = None
    try:
        with of_node(_label(host)):
            link = await links.get(key)
            facts = await _look(link)
    except LinkError as error:
        silent = isinstance(error, ConnectFailed | ConnectTimedOut)
        peer = link.address if link else None
        return Answer(host, error=error.reason, silent=silent, peer=peer)
    return Answer(host, facts=facts, peer=link.address)


async def _look(link: Link) -> NodeFacts:
    questions = Questions(_FLEET, link.node, depth="check")
    return await look(link, node_script(questions, without=frozenset(BY_NAME) - _ASKED))


def _label(host: Host) -> str:
    return host.name or host.ssh.host
