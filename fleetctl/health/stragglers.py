"""Instances that lag behind the others of their service, and what is different there. Pure.

No single look decides: it takes three readings of an instance, whose times are in its log. They
tell also how it was some seconds ago: it has to lag for a while to be told, and no longer for a
while to be over. Where all ranks wait for one another, the slow one cannot be told from its steps,
and nothing is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import pairwise

from msgspec import Struct
from msgspec.structs import replace

from fleetctl.health.differences import differences
from fleetctl.health.kinds.connection import ANSWER_INCOMPLETE
from fleetctl.health.kinds.instances import STRAGGLER
from fleetctl.medians import MediansWithoutOne, median
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
        heard = all(i.node in facts for i in service.instances)
        peers = _Peers(known)
        for instance in service.instances:
            name = instance.name
            if name not in known or {name, instance.node} & excused:
                continue
            before = standing.get(name)
            if how := _how(name, peers, elastic=job.elastic, lags=before is not None):
                others = [i for i in service.instances if i.name in known and i is not instance]
                yield _problem(instance, how, statuses, facts, others, problems)
            elif before and not heard:
                yield before


def _enough(steps: Steps) -> bool:
    readings = steps.readings
    return len(readings) >= READINGS and steps.now_s - readings[0].at_s >= SPAN_S


class _Pace(Struct, frozen=True):
    """How fast an instance is."""

    rate: float
    """Steps per second."""
    slowdown: float | None
    """How many times as long as usual its last pauses were; None: not known."""


class _Peers:
    """The instances of a service whose steps are known. What all are compared with is found once,
    not again for each."""

    def __init__(self, known: Mapping[str, Steps]) -> None:
        self.known = known
        self._paces = {name: _pace(steps) for name, steps in known.items()}
        self._slowdowns = [p.slowdown for p in self._paces.values() if p.slowdown is not None]
        self._of_rates = MediansWithoutOne(pace.rate for pace in self._paces.values())
        self._of_slowdowns = MediansWithoutOne(self._slowdowns)

    def rate_beside(self, name: str) -> float:
        """The median of the rates of all but ``name``, of one other at least."""
        return self._of_rates.without(self._paces[name].rate)

    def slowdown_beside(self, name: str) -> float | None:
        """The same of the slowdowns; None: fewer than two are known."""
        own = self._paces[name].slowdown
        if len(self._slowdowns) - (own is not None) < 2:
            return None
        return median(self._slowdowns) if own is None else self._of_slowdowns.without(own)

    def longest_beside_s(self, name: str) -> float:
        """The longest pause of any but ``name``; 0: there is no other."""
        return next((pause_s for pause_s, other in self._longest if other != name), 0.0)

    @cached_property
    def _longest(self) -> list[tuple[float, str]]:
        """The longest pause of each, the longest first; of two at most, so that one is another."""
        found = ((max(steps.pauses_s), name) for name, steps in self.known.items())
        return sorted(found, reverse=True)[:2]

    @cached_property
    def going(self) -> list[str]:
        """Those that print steps now."""
        return [
            name
            for name, steps in self.known.items()
            if (steps.quiet_s or 0.0) <= max(STALLED_S / 2, 2 * median(steps.pauses_s))
        ]


def _how(name: str, peers: _Peers, *, elastic: bool, lags: bool) -> str:
    """How instance ``name`` lags behind the others, as a clause; empty: it does not.

    :param lags: whether it did when it was last judged.
    """
    own = peers.known[name]
    if lags:
        return next(filter(None, (_still(name, was, peers, elastic) for was in _lately(own))), "")
    if how := _stalled(name, own, peers):  # that lasts by itself
        return how
    clauses = (_slower(name, was, peers, elastic=elastic) for was in _lately(own))
    how = next(clauses)
    return how if how and all(clauses) else ""


def _lately(own: Steps) -> Iterator[Steps]:
    """As it is, and as it was before each of its readings of the last seconds."""
    yield own
    was = own
    while was.readings and was.readings[-1].at_s > own.now_s - LASTED_S:
        was = replace(was, now_s=was.readings[-1].at_s, readings=was.readings[:-1])
        yield was


def _still(name: str, own: Steps, peers: _Peers, elastic: bool) -> str:
    """How one that lagged still does, though perhaps less."""
    if not _enough(own):
        return ""
    quiet_s = own.quiet_s or 0.0
    if quiet_s > _patience_s(name, own, peers):
        return _stalled(name, own, peers) or f"no new step for {duration(quiet_s)}"
    return _slower(name, own, peers, elastic=elastic, times=STILL_SLOW, by_s=STILL_SLOWER_S)


def _patience_s(name: str, own: Steps, peers: _Peers) -> float:
    """For how long it may be without a new step."""
    longest_s = max(*own.pauses_s, peers.longest_beside_s(name))
    return max(STALLED_S, STALLED_PAUSES * median(own.pauses_s), LONG_PAUSES * longest_s)


def _stalled(name: str, own: Steps, peers: _Peers) -> str:
    quiet_s = own.quiet_s or 0.0
    if quiet_s <= STALLED_S or quiet_s <= _patience_s(name, own, peers):
        return ""
    going = [other for other in peers.going if other != name]
    if not going:
        return ""
    verb = "goes" if len(going) == 1 else "go"
    return f"no new step for {duration(quiet_s)}, while {first_ones(going, _OTHERS)} {verb} on"


def _slower(
    name: str,
    own: Steps,
    peers: _Peers,
    *,
    elastic: bool,
    times: float = SLOW,
    by_s: float = SLOWER_S,
) -> str:
    """Two others at least are needed, so that it is clear which one is unusual.

    Members of an elastic job may be of any speed, and may count the steps of all: such a one is
    slow if it became so.
    """
    if len(peers.known) < 3 or len(own.readings) < READINGS:
        return ""
    mine = _pace(own)
    if not elastic:
        theirs = peers.rate_beside(name)
        if mine.rate * times < theirs:
            return f"{mine.rate:.2g} steps/s, while the others make {theirs:.2g}"
    usual = peers.slowdown_beside(name)
    if mine.slowdown is None or own.usual_pause_s is None or usual is None:
        return ""
    now_s = median(own.pauses_s[-READINGS:])
    if mine.slowdown < times * max(1.0, usual) or now_s - own.usual_pause_s < by_s:
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
