"""Which listening sockets are an instance's own, and which are in its way. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from ipaddress import IPv4Address

from fleetctl.model.facts import Listener, NodeFacts
from fleetctl.model.jobs import Instance, Listen

EVERY_IPV4 = frozenset({"0.0.0.0", "*"})
"""Addresses of sockets that take every IPv4 connection. ``::`` takes IPv6 only: where a socket on
it takes IPv4, too, it is shown as ``*``."""


def satisfies(listener: Listener, listen: Listen) -> bool:
    """Whether connections to ``listen`` reach ``listener``."""
    if listener.port != listen.port:
        return False
    return listener.address in EVERY_IPV4 or listener.address == str(listen.address)


def lacking(instance: Instance, sockets: Iterable[Listener]) -> tuple[Listen, ...]:
    """Where the instance must listen and none of ``sockets`` does."""
    there = tuple(sockets)
    return tuple(
        listen for listen in instance.listens if not any(satisfies(one, listen) for one in there)
    )


def own_pids(instance: Instance, facts: NodeFacts) -> frozenset[int]:
    """All processes of the instance's runs."""
    key = (instance.job, instance.name)
    runs = {pane.run for pane in facts.panes or () if (pane.job, pane.instance) == key}
    if record := facts.records.get(key):
        runs.add(record.run)
    return frozenset(pid for run in runs for pid in (facts.runs or {}).get(run, ()))


def own_sockets(
    instance: Instance, facts: NodeFacts, own: Collection[int]
) -> tuple[Listener, ...] | None:
    """The sockets on which the processes ``own`` listen; None: not known.

    Which process has a socket of another user cannot be seen. If one of ``own`` belongs to another
    user, as under sudo, such a socket on the instance's port counts as its own: ``start`` refuses
    where the port is taken before.
    """
    if facts.listeners is None or facts.runs is None:
        return None
    mine = set(own)
    return tuple(
        one
        for one in facts.listeners
        if mine.intersection(one.pids)
        or (
            not one.pids
            and mine & facts.foreign
            and any(satisfies(one, listen) for listen in instance.listens)
        )
    )


def strangers(
    instance: Instance, listeners: Collection[Listener] | None, own: Collection[Listener] = ()
) -> tuple[Listener, ...]:
    """Sockets of other processes that are in the way of the instance's ``listen``.

    :param own: the sockets of the instance itself.
    """
    return tuple(
        one
        for one in listeners or ()
        if one not in own and any(_takes(one, listen) for listen in instance.listens)
    )


def _takes(one: Listener, listen: Listen) -> bool:
    """Whether ``one`` keeps others from ``listen``."""
    everywhere = listen.address.is_unspecified and one.port == listen.port
    return satisfies(one, listen) or (everywhere and _ipv4(one.address))


def _ipv4(text: str) -> bool:
    try:
        IPv4Address(text)
    except ValueError:
        return False
    return True
