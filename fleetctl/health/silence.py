"""Instances that print no more, by how often they printed before. Pure.

The node itself notes each second in which a log grew (launch/logger.sh), so one look is enough.

A server that waits to be asked prints when it is asked, and may be silent for a night. So an
instance is judged by itself alone only if it names steps of its work, or listens nowhere; any other
one if it is stopped, or others of its service still print.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from fleetctl.health.kinds.instances import SERVICE_SILENT
from fleetctl.health.sockets import own_pids
from fleetctl.model.facts import NodeFacts
from fleetctl.model.jobs import Instance, Job
from fleetctl.model.plan import waiting_for
from fleetctl.model.status import Fix, Problem, ServiceStatus
from fleetctl.model.steps import Rhythm
from fleetctl.quantities import duration, listed

PAUSES = 10
"""Nothing is silent before this many times its own median pause."""
FLOOR_S = 45.0
"""Nor before this time."""
LONG_PAUSES = 2
"""Nor before this many times a pause that it made twice, as for evaluations."""
KNOWN = 20
"""So many pauses must be known of what is judged by its own."""
RARE_S = 60.0
"""What prints less often is not judged by its own pauses."""
PEERS_S = 120.0
"""Of what printed less, or less often, nothing is said before this time, ten of the longest pauses
of any instance of its service, and unless others still print."""
FEW = 3
"""And unless so many pauses are known of it: many programs print on one rank only."""
FRESH_S = 15.0
"""Another one still prints if it printed in this time, or in two of its own pauses: in a third of
what makes one silent, so that those that fall silent together do not speak for each other."""
_GOES_ON = ("running", "ready", "unhealthy")


class _Silence(Struct, frozen=True):
    """An instance that is silent."""

    instance: Instance
    rhythm: Rhythm
    printing: tuple[str, ...]
    """The others of its service that print."""
    stopped: tuple[int, ...]
    """Those of its processes that a signal has stopped."""


def silent(
    job: Job,
    statuses: Mapping[str, ServiceStatus],
    facts: Mapping[str, NodeFacts],
    problems: Sequence[Problem],
    told: Sequence[Problem],
) -> Iterator[Problem]:
    """A problem for each instance that is silent, or one for all that fell silent together.

    :param problems: where an error affects an instance, it is the cause; likewise one that affects
        what it works with, unless others of its service go on.
    :param told: what is told of the job's own instances, as that they lag: each is a cause.
    """
    explained = {name for p in problems if p.severity == "error" for name in (*p.affects, p.node)}
    explained.update(name for problem in told for name in problem.affects)
    found = [
        silence
        for service in job.services.values()
        for instance in service.instances
        if not {instance.name, instance.node} & explained
        and (silence := _silence(instance, service.instances, statuses, facts))
        and (silence.printing or not _waits(job, instance, statuses, explained))
    ]
    causes = [one for one in found if one.stopped or one.printing]
    if causes:
        yield from (_problem([one]) for one in causes)
    elif found:
        yield _problem(found)


def _waits(
    job: Job, instance: Instance, statuses: Mapping[str, ServiceStatus], explained: set[str | None]
) -> bool:
    """Whether something that it works with is known to be wrong, or does not run: one that it
    starts after, or all that start after it."""
    needs = [i for name in _before(job, instance.service) for i in job.services[name].instances]
    if any(statuses[i.name].state not in (*_GOES_ON, "exited") for i in needs):
        return True
    users = waiting_for(job, instance)
    if users and not any(statuses[name].state in _GOES_ON for name in users):
        return True
    partners = _together(job, instance.service)
    names = {i.name for name in partners for i in job.services[name].instances}
    return bool(names & explained)


def _before(job: Job, service: str) -> set[str]:
    """The services that ``service`` starts after, directly or through others."""
    found: set[str] = set()
    for name in job.services[service].after:
        found |= {name} | _before(job, name)
    return found


def _together(job: Job, service: str) -> set[str]:
    """``service``, and those that are joined with it by ``after``."""
    found: set[str] = set()
    more = {service}
    while more - found:
        found |= more
        more = {after for name in found for after in job.services[name].after}
        more |= {name for name, other in job.services.items() if found & set(other.after)}
    return found


def _silence(
    instance: Instance,
    all_of_it: Sequence[Instance],
    statuses: Mapping[str, ServiceStatus],
    facts: Mapping[str, NodeFacts],
) -> _Silence | None:
    own = _rhythm(instance, statuses, facts)
    if own is None or own.quiet_s <= FLOOR_S:
        return None
    others = {
        i.name: rhythm
        for i in all_of_it
        if i.name != instance.name and (rhythm := _rhythm(i, statuses, facts))
    }
    printing = tuple(name for name, rhythm in others.items() if _prints(rhythm))
    stopped = stopped_processes(instance, facts[instance.node])
    works = bool(facts[instance.node].steps[instance.job, instance.name].readings)
    by_itself = own.pauses >= KNOWN and own.usual_s <= RARE_S
    if by_itself and (printing or stopped or works or not instance.bindings):
        patience_s = max(FLOOR_S, PAUSES * own.usual_s, LONG_PAUSES * own.longest_s)
    elif printing and own.pauses >= FEW:
        longest_s = max(r.longest_s for r in (own, *(others[name] for name in printing)))
        patience_s = max(PEERS_S, PAUSES * max(longest_s, own.usual_s))
    else:
        return None
    return _Silence(instance, own, printing, stopped) if own.quiet_s > patience_s else None


def _rhythm(
    instance: Instance, statuses: Mapping[str, ServiceStatus], facts: Mapping[str, NodeFacts]
) -> Rhythm | None:
    if instance.command is None or statuses[instance.name].state not in _GOES_ON:
        return None
    told = facts.get(instance.node)
    steps = told.steps.get((instance.job, instance.name)) if told else None
    return steps.rhythm if steps else None


def _prints(rhythm: Rhythm) -> bool:
    return rhythm.pauses >= FEW and rhythm.quiet_s <= max(FRESH_S, 2 * rhythm.usual_s)


def stopped_processes(instance: Instance, facts: NodeFacts) -> tuple[int, ...]:
    """Those of its processes that a signal has stopped, such as SIGSTOP or Ctrl-Z."""
    return tuple(pid for pid in sorted(own_pids(instance, facts)) if pid in facts.stopped)


def stopped_clause(pids: Sequence[int]) -> str:
    """That they are, for a sentence."""
    if len(pids) == 1:
        return f"its process {pids[0]} is stopped, as by SIGSTOP or Ctrl-Z"
    return (
        f"its processes {listed([str(pid) for pid in pids])} are stopped, as by SIGSTOP or Ctrl-Z"
    )


def _problem(found: Sequence[_Silence]) -> Problem:
    names = tuple(one.instance.name for one in found)
    first, many = found[0], len(found) > 1
    if first.printing and not many:
        verb = "prints" if len(first.printing) == 1 else "print"
        why = f", while {', '.join(first.printing)} {verb}"
    else:
        usual_s = max(one.rhythm.usual_s for one in found)
        why = f", and did every {duration(usual_s)}"
    if first.stopped:
        why += f"; {stopped_clause(first.stopped)}"
    command = f"fleetctl logs {' '.join(names)}"
    if first.stopped:
        numbers = " ".join(map(str, first.stopped))
        command = f"fleetctl exec {first.instance.node} -- kill -CONT {numbers}"
    return SERVICE_SILENT.problem(
        None if many else first.instance.node,
        instances=listed(names),
        verb="run" if many else "runs",
        have="have" if many else "has",
        quiet=duration(min(one.rhythm.quiet_s for one in found)),
        why=why,
        evidence="; ".join(map(_evidence, found[:4])),
        affects=names,
        fix=Fix((command,), "controller"),
    )


def _evidence(one: _Silence) -> str:
    rhythm = one.rhythm
    return (
        f"the log of {one.instance.name} has not grown for {duration(rhythm.quiet_s)}; its "
        f"{rhythm.pauses} pauses before were {duration(rhythm.usual_s)} by the median, and not "
        f"twice longer than {duration(rhythm.longest_s)}"
    )
