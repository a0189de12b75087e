"""Instances that are started by hand: whether they answer, asked from here and as rarely as can be.

A small program, such as an app on a tablet, may take every connection for a client's, and only one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from ipaddress import IPv4Address

from fleetctl.health.sockets import own_pids
from fleetctl.link.protocol import Link
from fleetctl.model.facts import NodeFacts
from fleetctl.model.jobs import Instance, Job
from fleetctl.model.topology import Node
from fleetctl.observe.conditions import external_answers

RARELY_S = 60.0
"""Interval of trying a port that has accepted a connection."""
FIRST_LOOK_S = 3.0
"""How long the first look at nodes is waited for that may have a connection there."""

_End = tuple[IPv4Address, int]


class ByHand:
    """Keeps what is known of the instances of ``jobs`` that are started by hand."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._jobs = jobs
        self._accepted_s: dict[str, float] = {}
        """By host and port: when it was last tried, if it accepted."""
        self._held: dict[str, frozenset[_End]] = {}
        """By node: what the instances there are connected to."""
        self._looked = asyncio.Event()
        self._wanted = {job.name for job in jobs[:1]}
        """The first job, and those of which something ran meanwhile."""

    def wants(self, instance: Instance) -> bool:
        """Whether it is to be asked: nobody's program is tried for a job that nothing runs of."""
        return instance.job in self._wanted

    def learn(self, node: str, facts: NodeFacts) -> None:
        """Take what the instances on ``node`` are connected to."""
        own: set[int] = set()
        for job in self._jobs:
            pids = {pid for instance in job.on(node) for pid in own_pids(instance, facts)}
            own |= pids
            if pids:
                self._wanted.add(job.name)
        if not self._jobs or facts.connections is None:
            return
        ends = ((c.remote, c.remote_port) for c in facts.connections if own.intersection(c.pids))
        self._held[node] = frozenset(ends)
        self._looked.set()

    def lose(self, node: str) -> None:
        """What runs on ``node`` is no longer known."""
        self._held[node] = frozenset()
        self._looked.set()

    async def answers(self, link: Link, node: Node, instance: Instance, *, now: bool) -> bool:
        """Whether ``instance`` on ``node`` answers.

        A port is not tried while an instance of the jobs is connected to it, and rarely once it
        has accepted a connection. What is asked by HTTP takes requests by its nature.

        :param now: it is tried, even if it accepted a connection a moment ago.
        """
        if instance.ready.kind != "connect":
            return await external_answers(link, instance)
        port = instance.ready.value
        await self._first_looks(instance)
        if self._is_held(node, instance):
            self._accepted_s.pop(port, None)  # it is tried as soon as that has ended
            return True
        tried_s = self._accepted_s.get(port)
        if tried_s is not None and not now and time.monotonic() - tried_s < RARELY_S:
            return True
        began_s = time.monotonic()
        accepted = await external_answers(link, instance)
        if accepted:
            self._accepted_s[port] = began_s
        else:
            self._accepted_s.pop(port, None)
        return accepted

    async def _first_looks(self, instance: Instance) -> None:
        users = self._users(instance)
        try:
            async with asyncio.timeout(FIRST_LOOK_S):
                while not users <= self._held.keys():
                    self._looked.clear()
                    await self._looked.wait()
        except TimeoutError:
            for node in users - self._held.keys():  # it is waited for once
                self._held[node] = frozenset()

    def _users(self, instance: Instance) -> set[str]:
        """The nodes of instances that may be connected to it."""
        others = (i for job in self._jobs if job.name == instance.job for i in job.instances)
        return {i.node for i in others if instance.service in i.after and i.command is not None}

    def _is_held(self, node: Node, instance: Instance) -> bool:
        host, _, port = instance.ready.value.rpartition(":")
        try:
            addresses = {IPv4Address(host)}
        except ValueError:  # a name
            addresses = set(node.addresses.values())
        ends = {(address, int(port)) for address in addresses}
        return any(held & ends for held in self._held.values())
