"""Instances that do not do what the others of their service do: ended early, silent. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from msgspec import Struct

from fleetctl.health.kinds.instances import SERVICE_ENDED_EARLY, SERVICE_SILENT
from fleetctl.model.facts import NodeFacts
from fleetctl.model.jobs import Instance, Job
from fleetctl.model.plan import dependents
from fleetctl.model.status import Fix, Problem, ServiceStatus
from fleetctl.quantities import duration

EARLY_S = 30.0
"""Instances that end within this time of one another end together."""
SILENT_S = 120.0
"""Nothing is silent before this time."""
SILENT_PAUSES = 10
"""Nor before this many times the longest pause of any instance of its service."""
PRINTED_S = 60.0
"""Another instance still prints if it printed in this time."""
PRINTED_TIMES = 3
"""So often an instance has to have printed, so that its pauses say something."""
GAP_S = 90.0
"""A pause is not measured over a longer time without a look at the node."""
_GOES_ON = ("running", "ready")


class Prints(Struct, frozen=True):
    """What is known of an instance's output by the length of its log, from look to look.

    Times are those of one monotonic clock.
    """

    attempt: tuple[str, int]
    """Run and restarts."""
    log_bytes: int
    looked_s: float
    printed_s: float
    """When the log was last seen to be longer."""
    longest_s: float = 0.0
    """The longest pause between two times that it was seen to be longer."""
    times: int = 0
    """How often it was seen to be longer."""


def prints(before: Prints | None, instance: Instance, facts: NodeFacts, now_s: float) -> Prints:
    """``before`` and the look that gave ``facts``; it begins anew with each attempt."""
    key = (instance.job, instance.name)
    record = facts.records.get(key)
    attempt = (record.run, record.restarts) if record else ("", 0)
    length = facts.log_bytes.get(key, 0)
    if before is None or before.attempt != attempt or now_s - before.looked_s > GAP_S:
        return Prints(attempt, length, now_s, now_s)
    if length == before.log_bytes:
        return Prints(attempt, length, now_s, before.printed_s, before.longest_s, before.times)
    # the time before the first one is no pause: it is the program's start
    pause_s = now_s - before.printed_s if before.times else 0.0
    longest_s = max(before.longest_s, pause_s)
    return Prints(attempt, length, now_s, now_s, longest_s, before.times + 1)


def uneven(
    job: Job,
    statuses: Mapping[str, ServiceStatus],
    facts: Mapping[str, NodeFacts],
    printed: Mapping[str, Prints],
    now_s: float,
    lags: Collection[str] = (),
) -> Iterator[Problem]:
    """The problems of instances that ended, or went silent, while others of their service go on.

    :param printed: by instance; empty where nothing is watched.
    :param now_s: the time by the clock of ``printed``.
    :param lags: instances of which it is told that they lag: that they are silent is no news.
    """
    for service in job.services.values():
        going = [i for i in service.instances if _state(statuses, i) in _GOES_ON]
        for instance in service.instances:
            others = [i for i in going if i.name != instance.name]
            if not others:
                continue
            if _state(statuses, instance) == "exited":
                if _ended_early(job, instance, facts.get(instance.node)):
                    yield _early(instance, others)
            elif instance in going and instance.name not in lags:
                yield from _silent(instance, others, printed, now_s)


def _state(statuses: Mapping[str, ServiceStatus], instance: Instance) -> str:
    status = statuses.get(instance.name)
    return status.state if status else "unknown"


def _ended_early(job: Job, instance: Instance, facts: NodeFacts | None) -> bool:
    """What others start after and need not run on, such as a download, may end when it likes."""
    if instance.once or (instance.ready.kind == "alive" and dependents(job, instance.service)):
        return False
    record = facts.records.get((instance.job, instance.name)) if facts else None
    if facts is None or record is None or record.ended_at is None:
        return False
    return (facts.measured_at - record.ended_at).total_seconds() > EARLY_S


def _early(instance: Instance, others: Sequence[Instance]) -> Problem:
    names = ", ".join(i.name for i in others)
    return SERVICE_ENDED_EARLY.problem(
        instance.node,
        instance=instance.name,
        others=names,
        verb="runs" if len(others) == 1 else "run",
        evidence=f"exit code 0; still running: {names}",
        affects=(instance.name,),
        fix=_logs(instance),
    )


def _silent(
    instance: Instance, others: Sequence[Instance], printed: Mapping[str, Prints], now_s: float
) -> Iterator[Problem]:
    """At most one problem.

    Many programs print on one rank only. So an instance that was not seen to print several times
    is never silent, and the pauses that count are its own as well as those of the others.
    """
    own = printed.get(instance.name)
    if own is None or own.times < PRINTED_TIMES:
        return
    known = {i.name: p for i in others if (p := printed.get(i.name)) and p.times >= PRINTED_TIMES}
    fresh = [name for name, p in known.items() if now_s - p.printed_s <= PRINTED_S]
    longest_s = max(p.longest_s for p in (own, *known.values()))
    quiet_s = own.looked_s - own.printed_s
    if not fresh or quiet_s <= max(SILENT_S, SILENT_PAUSES * longest_s):
        return
    yield SERVICE_SILENT.problem(
        instance.node,
        instance=instance.name,
        minutes=int(quiet_s // 60),
        others=", ".join(fresh),
        verb="prints" if len(fresh) == 1 else "print",
        evidence=f"its log has not grown for {duration(quiet_s)}; before, the longest pause of "
        f"all instances of {instance.service} was {duration(longest_s)}",
        affects=(instance.name,),
        fix=_logs(instance),
    )


def _logs(instance: Instance) -> Fix:
    return Fix((f"fleetctl logs {instance.name}",), "controller")
