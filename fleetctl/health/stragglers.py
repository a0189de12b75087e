"""Instances that lag behind the others of their service, and what is different there. Pure.

No single look decides: it takes three readings of an instance, whose times are in its log. Where
all ranks wait for one another, the slow one cannot be told from its steps, and nothing is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from msgspec import Struct

from fleetctl.health.differences import differences
from fleetctl.health.kinds.instances import STRAGGLER
from fleetctl.medians import median
from fleetctl.model.facts import NodeFacts
from fleetctl.model.jobs import Instance, Job
from fleetctl.model.status import Fix, Problem, ServiceStatus
from fleetctl.model.steps import Steps
from fleetctl.quantities import duration, first_ones

READINGS = 3
"""So many steps must be known of an instance, with their times."""
SPAN_S = 10.0
"""Within at least this time."""
STALLED_S = 30.0
"""No instance is called stalled before this time without a step."""
STALLED_PAUSES = 10
"""Nor before this many of its own pauses between two lines with steps."""
LONG_PAUSES = 3
"""Nor before this many of the longest pause of any instance of its service."""
_OTHERS = 2
"""So many of those that go on are named."""
SLOW = 2.0
"""It is slow if it takes so many times as long as the others."""
SLOWER_S = 2.0
"""And at least so much longer: times of log lines are whole seconds."""
_RUNS = ("running", "ready", "unhealthy")


def stragglers(
    job: Job,
    statuses: Mapping[str, ServiceStatus],
    facts: Mapping[str, NodeFacts],
    problems: Sequence[Problem],
) -> Iterator[Problem]:
    """A problem for each instance that lags.

    :param problems: what is known to be wrong; where an error affects an instance, it is the cause.
    """
    excused = {name for p in problems if p.severity == "error" for name in (*p.affects, p.node)}
    for service in job.services.values():
        known = {
            i.name: steps
            for i in service.instances
            if statuses[i.name].state in _RUNS
            and i.node in facts
            and (steps := facts[i.node].steps.get((i.job, i.name)))
            and _enough(steps)
        }
        paces = {name: _Pace(_usual_rate(steps), _slowdown(steps)) for name, steps in known.items()}
        for instance in service.instances:
            if instance.name not in known or {instance.name, instance.node} & excused:
                continue
            if how := _how(instance.name, known, paces, elastic=job.elastic):
                peers = [i for i in service.instances if i.name in known and i is not instance]
                yield _problem(instance, how, statuses, facts, peers, problems)


def _enough(steps: Steps) -> bool:
    readings = steps.readings
    return len(readings) >= READINGS and steps.now_s - readings[0].at_s >= SPAN_S


class _Pace(Struct, frozen=True):
    """Of an instance; made once, and compared with that of each other one."""

    rate: float
    """See :func:`_usual_rate`."""
    slowdown: float | None
    """See :func:`_slowdown`."""


def _how(
    name: str, known: Mapping[str, Steps], paces: Mapping[str, _Pace], *, elastic: bool
) -> str:
    """How instance ``name`` lags behind the others, as a clause; empty: it does not."""
    return _stalled(name, known) or _slower(name, known[name], paces, elastic=elastic)


def _stalled(own_name: str, known: Mapping[str, Steps]) -> str:
    own = known[own_name]
    quiet_s = own.quiet_s or 0.0
    if quiet_s <= STALLED_S:  # without a look at each of the others
        return ""
    others = {name: steps for name, steps in known.items() if name != own_name}
    longest_s = max(p for steps in (own, *others.values()) for p in steps.pauses_s)
    patience_s = max(STALLED_S, STALLED_PAUSES * median(own.pauses_s), LONG_PAUSES * longest_s)
    if quiet_s <= patience_s:
        return ""
    going = [
        name
        for name, steps in others.items()
        if (steps.quiet_s or 0.0) <= max(STALLED_S / 2, 2 * median(steps.pauses_s))
    ]
    if not going:
        return ""
    verb = "goes" if len(going) == 1 else "go"
    return f"no new step for {duration(quiet_s)}, while {first_ones(going, _OTHERS)} {verb} on"


def _slower(name: str, own: Steps, paces: Mapping[str, _Pace], *, elastic: bool) -> str:
    """Two others at least are needed, so that it is clear which one is unusual.

    Members of an elastic job may be of any speed, and may count the steps of all: such a one is
    slow if it became so.
    """
    others = [pace for other, pace in paces.items() if other != name]
    if len(others) < 2:
        return ""
    if not elastic:
        rate, theirs = paces[name].rate, median(pace.rate for pace in others)
        if rate * SLOW < theirs:
            return f"{rate:.2g} steps/s, while the others make {theirs:.2g}"
    mine = paces[name].slowdown
    usual = [pace.slowdown for pace in others if pace.slowdown is not None]
    if mine is None or own.usual_pause_s is None or len(usual) < 2:
        return ""
    now_s = median(own.pauses_s[-READINGS:])
    if mine < SLOW * max(1.0, median(usual)) or now_s - own.usual_pause_s < SLOWER_S:
        return ""
    return (
        f"it prints steps every {duration(now_s)} now, and did every "
        f"{duration(own.usual_pause_s)}; the others did not become so slow"
    )


def _usual_rate(steps: Steps) -> float:
    """Steps per second from one reading to the next: one long pause, such as for a checkpoint, does
    not count."""
    return median((b.step - a.step) / (b.at_s - a.at_s) for a, b in pairwise(steps.readings))


def _slowdown(steps: Steps) -> float | None:
    """How many times as long as usual its last pauses were; None: not known."""
    if steps.usual_pause_s is None:
        return None
    return median(steps.pauses_s[-READINGS:]) / max(steps.usual_pause_s, 1.0)


def _problem(
    instance: Instance,
    how: str,
    statuses: Mapping[str, ServiceStatus],
    facts: Mapping[str, NodeFacts],
    peers: Sequence[Instance],
    problems: Sequence[Problem],
) -> Problem:
    nodes = [facts[i.node] for i in peers if i.node != instance.node]
    found = list(differences(instance, facts[instance.node], nodes, problems))
    different = "; what differs there: " + ", ".join(found) if found else ""
    progress = statuses[instance.name].progress
    evidence = "its log"
    if progress and progress.step is not None:
        evidence = f"step {progress.step} in its log"
        if progress.behind_steps is not None:
            evidence += f", {progress.behind_steps} behind the median"
    if not found:
        evidence += "; no difference is known in its load, memory, swap, heat, power or links"
    if len(peers) > _OTHERS:  # of which the summary names the first ones
        evidence += f"; compared with {', '.join(i.name for i in peers)}"
    return STRAGGLER.problem(
        instance.node,
        instance=instance.name,
        how=how,
        also=different,
        evidence=evidence,
        affects=(instance.name,),
        fix=Fix((f"fleetctl logs {instance.name}",), "controller"),
    )
