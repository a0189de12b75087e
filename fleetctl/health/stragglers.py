"""Instances that lag behind the others of their service, and what is different there. Pure.

No single look decides: it takes three readings of an instance, whose times are in its log. They
tell also how it was some seconds ago: it has to lag for a while to be told, and no longer for a
while to be over. Where all ranks wait for one another, the slow one cannot be told from its steps,
and nothing is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from msgspec import Struct
from msgspec.structs import replace

from fleetctl.health.differences import differences
from fleetctl.health.kinds.connection import ANSWER_INCOMPLETE
from fleetctl.health.kinds.instances import STRAGGLER
from fleetctl.medians import median
from fleetctl.model.facts import NodeFacts
from fleetctl.model.jobs import Instance, Job
from fleetctl.model.status import Fix, Problem, ServiceStatus
from fleetctl.model.steps import Steps
from fleetctl.quantities import NAMED, duration, first_ones

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
SLOW = 2.0
"""It is slow if it takes so many times as long as the others."""
SLOWER_S = 2.0
"""And at least so much longer: times of log lines are whole seconds."""
STILL_SLOW, STILL_SLOWER_S = 1.5, 1.0
"""In place of both, once it is told."""
LASTED_S = 10.0
"""It is told once it was slow for so long, and over once it did not lag for so long."""
_RUNS = ("running", "ready", "unhealthy")


def stragglers(
    job: Job,
    statuses: Mapping[str, ServiceStatus],
    facts: Mapping[str, NodeFacts],
    problems: Sequence[Problem],
    standing: Mapping[str, Problem] | None = None,
) -> Iterator[Problem]:
    """A problem for each instance that lags.

    :param problems: what is known to be wrong; where an error affects an instance, it is the cause.
        That a busy node answers in part explains nothing.
    :param standing: by instance, what was told of those that lagged before: it stays so until it is
        clearly over, and as long as nodes of its peers are not heard.
    """
    standing = standing or {}
    errors = [p for p in problems if p.severity == "error" and p.code != ANSWER_INCOMPLETE.code]
    excused = {name for p in errors for name in (*p.affects, p.node)}
    for service in job.services.values():
        known = {
            i.name: steps
            for i in service.instances
            if statuses[i.name].state in _RUNS
            and i.node in facts
            and (steps := facts[i.node].steps.get((i.job, i.name)))
            and _enough(steps)
        }
        paces = {name: _pace(steps) for name, steps in known.items()}
        heard = all(i.node in facts for i in service.instances)
        for instance in service.instances:
            name = instance.name
            if name not in known or {name, instance.node} & excused:
                continue
            before = standing.get(name)
            theirs = [pace for other, pace in paces.items() if other != name]
            peers: Mapping[str, Steps] = {}
            if before or (known[name].quiet_s or 0.0) > STALLED_S:  # else they are not looked at
                peers = {other: steps for other, steps in known.items() if other != name}
            if how := _how(known[name], peers, theirs, elastic=job.elastic, lags=bool(before)):
                others = [i for i in service.instances if i.name in known and i is not instance]
                yield _problem(instance, how, statuses, facts, others, problems)
            elif before and not heard:
                yield before


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
    own: Steps,
    peers: Mapping[str, Steps],
    paces: Sequence[_Pace],
    *,
    elastic: bool,
    lags: bool,
) -> str:
    """How an instance lags behind its ``peers``, as a clause; empty: it does not.

    :param paces: of the peers.
    :param lags: whether it did when it was last judged.
    """
    if lags:
        return next(filter(None, (_still(was, peers, paces, elastic) for was in _lately(own))), "")
    if how := _stalled(own, peers):  # that lasts by itself
        return how
    clauses = (_slower(was, paces, elastic=elastic) for was in _lately(own))
    how = next(clauses)
    return how if how and all(clauses) else ""


def _lately(own: Steps) -> Iterator[Steps]:
    """As it is, and as it was before each of its readings of the last seconds."""
    yield own
    was = own
    while was.readings and was.readings[-1].at_s > own.now_s - LASTED_S:
        was = replace(was, now_s=was.readings[-1].at_s, readings=was.readings[:-1])
        yield was


def _still(own: Steps, peers: Mapping[str, Steps], paces: Sequence[_Pace], elastic: bool) -> str:
    """How one that lagged still does, though perhaps less."""
    if not _enough(own):
        return ""
    quiet_s = own.quiet_s or 0.0
    if quiet_s > _patience_s(own, peers):
        return _stalled(own, peers) or f"no new step for {duration(quiet_s)}"
    return _slower(own, paces, elastic=elastic, times=STILL_SLOW, by_s=STILL_SLOWER_S)


def _patience_s(own: Steps, peers: Mapping[str, Steps]) -> float:
    """For how long it may be without a new step."""
    longest_s = max(p for steps in (own, *peers.values()) for p in steps.pauses_s)
    return max(STALLED_S, STALLED_PAUSES * median(own.pauses_s), LONG_PAUSES * longest_s)


def _stalled(own: Steps, peers: Mapping[str, Steps]) -> str:
    quiet_s = own.quiet_s or 0.0
    if quiet_s <= STALLED_S or quiet_s <= _patience_s(own, peers):
        return ""
    going = [
        name
        for name, steps in peers.items()
        if (steps.quiet_s or 0.0) <= max(STALLED_S / 2, 2 * median(steps.pauses_s))
    ]
    if not going:
        return ""
    verb = "goes" if len(going) == 1 else "go"
    return f"no new step for {duration(quiet_s)}, while {first_ones(going)} {verb} on"


def _slower(
    own: Steps,
    paces: Sequence[_Pace],
    *,
    elastic: bool,
    times: float = SLOW,
    by_s: float = SLOWER_S,
) -> str:
    """Two others at least are needed, so that it is clear which one is unusual.

    Members of an elastic job may be of any speed, and may count the steps of all: such a one is
    slow if it became so.
    """
    if len(paces) < 2 or len(own.readings) < READINGS:
        return ""
    mine = _pace(own)
    if not elastic:
        theirs = median(pace.rate for pace in paces)
        if mine.rate * times < theirs:
            return f"{mine.rate:.2g} steps/s, while the others make {theirs:.2g}"
    usual = [pace.slowdown for pace in paces if pace.slowdown is not None]
    if mine.slowdown is None or own.usual_pause_s is None or len(usual) < 2:
        return ""
    now_s = median(own.pauses_s[-READINGS:])
    if mine.slowdown < times * max(1.0, median(usual)) or now_s - own.usual_pause_s < by_s:
        return ""
    return (
        f"it prints steps every {duration(now_s)} now, and did every "
        f"{duration(own.usual_pause_s)}; the others did not become so slow"
    )


def _pace(steps: Steps) -> _Pace:
    return _Pace(_usual_rate(steps), _slowdown(steps))


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
    if len(peers) > NAMED:  # of which the summary names the first ones
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
