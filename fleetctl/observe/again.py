"""A second look, before a check calls something bad: at addresses that looked bad, by another round
of echoes, and at connections that some instances have and others have not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress

from msgspec.structs import replace

from fleetctl.errors import LinkError
from fleetctl.health.contact import Contact, Contacts, Key, contacts, unequal
from fleetctl.health.network.quality import doubtful
from fleetctl.model.facts import NetworkFacts
from fleetctl.model.jobs import Job
from fleetctl.model.look import Look
from fleetctl.model.network import Echo, EchoRound
from fleetctl.observe.observer import Observer

CONTACT_S = 2.0
"""From the first look at connections to the second: what is connected now and then, as to ask a web
server, has another connection by then."""


async def contacts_again(observer: Observer, job: Job, looks: Mapping[str, Look]) -> Contacts:
    """What two looks show of the connections of the instances of ``job``; nothing if the first one
    shows no difference between instances of a service."""
    facts = {name: look.facts for name, look in looks.items() if look.facts}
    again = unequal(job, facts)
    if not again:
        return Contacts()
    began_s = time.monotonic()
    known: dict[Key, Contact] = {}
    for name in again:
        known |= contacts({}, job, name, facts[name], began_s)
    await asyncio.sleep(CONTACT_S)

    async def ask(name: str) -> None:
        with suppress(LinkError):
            second = await observer.instances_on(name)
            known.update(contacts(known, job, name, second, time.monotonic()))

    await asyncio.gather(*map(ask, again))
    return Contacts(known, CONTACT_S)


async def asked_again(observer: Observer, looks: Mapping[str, Look]) -> dict[str, Look]:
    """``looks``, with a second round of echoes where the first one leaves doubt.

    A node that does not answer the second time keeps what it said the first time.
    """
    facts = {name: look.facts for name, look in looks.items() if look.facts}
    again = doubtful(observer.fleet, observer.expectations, facts)
    if not again:
        return dict(looks)

    async def ask(name: str) -> NetworkFacts:
        try:
            return (await observer.echoes(observer.fleet.nodes[name], again[name])).network
        except LinkError:
            return NetworkFacts()

    second = dict(zip(again, await asyncio.gather(*map(ask, again)), strict=True))
    found = dict(looks)
    for name, known in facts.items():
        network = both(known.network, second.get(name, NetworkFacts()))
        found[name] = replace(looks[name], facts=replace(known, network=network))
    return found


def both(first: NetworkFacts, second: NetworkFacts) -> NetworkFacts:
    """The echoes of two rounds, each judged by itself and counted together."""
    echoes = dict(first.echoes)
    rounds = {to: _numbered(*found) for to, found in first.rounds.items()}
    for to, later in second.rounds.items():
        rounds[to] = _numbered(*rounds.get(to, ()), *later)
        echoes[to] = _sum(echoes[to], second.echoes[to])
    return replace(first, rounds=rounds, echoes=echoes)


def _numbered(*rounds: EchoRound) -> tuple[EchoRound, ...]:
    """The same number for each node's first round, and for its second."""
    return tuple(replace(one, slot=number) for number, one in enumerate(rounds))


def _sum(one: Echo, other: Echo) -> Echo:
    times = [t for t in (one.rtt_min_ms, other.rtt_min_ms) if t is not None]
    return Echo(
        one.sent + other.sent,
        one.received + other.received,
        min(times, default=None),
        one.error or other.error,
    )
