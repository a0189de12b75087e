"""Connections of instances to what they start after, from look to look; who lost theirs. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Address

from msgspec import Struct

from fleetctl.health.kinds.instances import CONNECTION_LOST
from fleetctl.health.sockets import own_pids
from fleetctl.model.facts import NodeFacts
from fleetctl.model.jobs import Instance, Job
from fleetctl.model.status import Fix, Problem, ServiceState, ServiceStatus
from fleetctl.quantities import duration, listed

LOST_S = 15.0
"""In a watch, a connection is not missed before this time: programs connect again by themselves."""
SETTLED_S = 30.0
"""Nothing is judged of an attempt, or of a server's, that is younger."""
HELD_S = 30.0
"""An instance that held one connection this long is one that holds its connections."""
PAUSES = 3
"""Nor is one missed before this many times the instance's longest time between two."""
GAP_S = 90.0
"""After a longer time without a look at the node, nothing is known of what was before."""

ALONE = "works alone: it has no connection to what it starts after"
"""The reason in the status of an instance that lost its connection."""

Key = tuple[str, str]
"""An instance, and a service that it starts after."""
End = tuple[IPv4Address, int]


class Contact(Struct, frozen=True):
    """What is known of an instance's connections to a service, from look to look.

    Times are those of one monotonic clock.
    """

    attempt: tuple[str, int]
    """Run and restarts."""
    looked_s: float
    held: Mapping[End, float] = {}
    """The connections that it has, by their own end; when each was first seen."""
    none_since_s: float | None = None
    """When it was first seen to have none; None: it has one."""
    times: int = 0
    """How often in a row it was seen to have none."""
    held_s: float = 0.0
    """The longest time for which it was seen to hold one connection."""
    pause_s: float = 0.0
    """The longest time between two."""

    @property
    def none_for_s(self) -> float:
        return 0.0 if self.none_since_s is None else self.looked_s - self.none_since_s


class Contacts(Struct, frozen=True):
    """What was seen in several looks."""

    known: Mapping[Key, Contact] = {}
    lost_s: float = LOST_S
    """For how long something has to be so."""


def contacts(
    before: Mapping[Key, Contact], job: Job, node: str, facts: NodeFacts, now_s: float
) -> dict[Key, Contact]:
    """What is known of the instances on ``node`` after the look that gave ``facts``."""
    found = {}
    for instance in job.on(node):
        for service in instance.after:
            if instance.until.get(service) == "exited-ok":
                continue
            ends = _ends(job, service, instance, facts)
            record = facts.records.get((instance.job, instance.name))
            if ends is not None and record is not None:
                key = (instance.name, service)
                attempt = (record.run, record.restarts)
                found[key] = _after(before.get(key), attempt, ends, now_s)
    return found


def _ends(job: Job, service: str, instance: Instance, facts: NodeFacts) -> set[End] | None:
    """Its own ends of its connections to ``service``; None: that cannot be seen.

    Which process has a connection of another user, as under sudo, is not known.
    """
    ports = {listen.port for i in job.services[service].instances for listen in i.bindings}
    own = own_pids(instance, facts)
    if not ports or not own or facts.connections is None or own & facts.foreign:
        return None
    return {
        (c.local, c.local_port)
        for c in facts.connections
        if c.remote_port in ports and own.intersection(c.pids)
    }


def _after(
    before: Contact | None, attempt: tuple[str, int], ends: set[End], now_s: float
) -> Contact:
    if before is None or before.attempt != attempt or now_s - before.looked_s > GAP_S:
        before = Contact(attempt, now_s)
    held = {end: before.held.get(end, now_s) for end in ends}
    longest_s = max((now_s - since_s for since_s in held.values()), default=0.0)
    since_s = before.none_since_s
    # the time before the first one is no pause: it is the program's start
    paused_s = now_s - since_s if held and since_s is not None and before.held_s else 0.0
    return Contact(
        attempt,
        now_s,
        held,
        None if held else now_s if since_s is None else since_s,
        0 if held else before.times + 1,
        max(before.held_s, longest_s),
        max(before.pause_s, paused_s),
    )


def unequal(job: Job, facts: Mapping[str, NodeFacts]) -> frozenset[str]:
    """The nodes of instances of a service of which, in this one look, some have a connection to
    what they start after, and some that run for a while have none."""
    found: set[str] = set()
    for service in job.services.values():
        for need in service.after:
            seen = {
                i.node: ends
                for i in service.instances
                if i.node in facts
                and _runs_for_a_while(i, facts[i.node])
                and (ends := _ends(job, need, i, facts[i.node])) is not None
            }
            if any(seen.values()) and not all(seen.values()):
                found.update(seen)
    return frozenset(found)


def _runs_for_a_while(instance: Instance, facts: NodeFacts) -> bool:
    record = facts.records.get((instance.job, instance.name))
    if record is None or record.phase != "running" or record.started_at is None:
        return False
    return (facts.measured_at - record.started_at).total_seconds() >= SETTLED_S


def lost(
    job: Job,
    statuses: Mapping[str, ServiceStatus],
    facts: Mapping[str, NodeFacts],
    seen: Contacts,
    known: Sequence[Problem],
) -> Iterator[Problem]:
    """A problem for each service that some no longer have a connection to, though they run and it
    does.

    :param known: problems that explain what they affect.
    """
    explained = {name for p in known if p.severity == "error" for name in p.affects}
    for service in job.services.values():
        going = [i for i in service.instances if _settled(i, statuses, facts)]
        for need in service.after:
            servers = job.services[need].instances
            if not all(_settled(i, statuses, facts, ("ready",)) for i in servers):
                continue
            told = {i.name: c for i in going if (c := seen.known.get((i.name, need)))}
            without = [i for i in going if i.name in told and _has_none(told[i.name], seen)]
            holding = [i for i, c in told.items() if _holds(c, seen)]
            missing = [
                i
                for i in without
                if i.name not in explained and (holding or told[i.name].held_s >= HELD_S)
            ]
            if missing:
                yield _problem(servers, missing, holding, told)


def _settled(
    instance: Instance,
    statuses: Mapping[str, ServiceStatus],
    facts: Mapping[str, NodeFacts],
    states: Sequence[ServiceState] = ("running", "ready"),
) -> bool:
    """Whether it is in one of ``states``, and was not started only just."""
    status, told = statuses.get(instance.name), facts.get(instance.node)
    if status is None or told is None or status.started_at is None:
        return False
    age_s = (told.measured_at - status.started_at).total_seconds()
    return status.state in states and age_s >= SETTLED_S


def _has_none(one: Contact, seen: Contacts) -> bool:
    """Whether it has none for longer than it ever was between two."""
    often = one.times > 1  # one look may be between two
    return often and one.none_for_s >= max(seen.lost_s, PAUSES * one.pause_s)


def _holds(one: Contact, seen: Contacts) -> bool:
    """Whether it has the same connection as some time ago."""
    return any(one.looked_s - since_s >= seen.lost_s for since_s in one.held.values())


def _problem(
    servers: Sequence[Instance],
    missing: Sequence[Instance],
    holding: Sequence[str],
    told: Mapping[str, Contact],
) -> Problem:
    names = tuple(i.name for i in missing)
    many = len(names) > 1
    if holding:
        why = f"{listed(holding)} {'holds its own' if len(holding) == 1 else 'hold theirs'}"
    else:
        held_s = min(told[name].held_s for name in names)
        why = f"{'they' if many else 'it'} held one for {duration(held_s)} before"
    for_s = min(told[name].none_for_s for name in names)
    ports = ", ".join(dict.fromkeys(str(i.listen) for i in servers if i.listen))
    return CONNECTION_LOST.problem(
        missing[0].node if not many else None,
        instances=listed(names),
        verb="have" if many else "has",
        service=servers[0].service,
        nodes=listed([i.node for i in servers]),
        why=why,
        evidence=f"established connections to {ports}, looked at for {duration(for_s)}",
        affects=names,
        fix=Fix((f"fleetctl restart {' '.join(names)}",), "controller"),
    )
