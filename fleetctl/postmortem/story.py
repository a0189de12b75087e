"""What ended first, and what followed: never a claim that clocks cannot bear. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from fleetctl.health.instance_changes import BEGINS
from fleetctl.model.events import Event
from fleetctl.postmortem.ends import Ended

FOLLOWS_S = 120.0
"""What ends no later than this after something else belongs to the same story: programs wait for
peers for a minute or two."""
NEAR_S = 600.0
"""So far from a named time a failure may be, to be the one that is meant."""


class Story(Struct, frozen=True):
    """One failure and what belongs to it."""

    ends: tuple[Ended, ...] = ()
    """Those that belong to it, in the order of their times; those without a time last."""
    first: tuple[Ended, ...] = ()
    """The one that ended first; several: which of them did is not known. Empty: nothing failed."""
    unknown: Mapping[str, str] = {}
    """By instance that cannot be asked, or of which nothing is known: why."""

    @property
    def followed(self) -> tuple[Ended, ...]:
        """The first end of each of the others."""
        firsts = {one.instance for one in self.first}
        found: dict[str, Ended] = {}
        for one in self.ends:
            if one.instance not in firsts:
                found.setdefault(one.instance, one)
        return tuple(found.values())

    @property
    def again(self) -> tuple[Ended, ...]:
        """Its later ends, if it is known which instance ended first."""
        if len(self.first) != 1 or (began := self.begin) is None:
            return ()
        name = self.first[0].instance
        return tuple(e for e in self.ends if e.instance == name and e.when and e.when.at > began)

    @property
    def begin(self) -> datetime | None:
        """When the first one ended."""
        return next((one.when.at for one in self.first if one.when), None)

    @property
    def unsure(self) -> tuple[str, ...]:
        """Instances of which it is not known whether they ended before all others."""
        known = {one.instance for one in self.ends if one.when}
        return tuple(name for name in self.unknown if name not in known)


def story(
    ends: Sequence[Ended],
    unknown: Mapping[str, str],
    *,
    named: Collection[str] = (),
    around: datetime | None = None,
    events: Sequence[Event] = (),
) -> Story:
    """The newest failure, or the one that is meant.

    :param ends: of one job, sorted by time.
    :param named: instances, of which one has to have failed; empty: any.
    :param around: the failure nearest to it is meant.
    :param events: what is known of actions on the job.
    """
    failures = [one for one in ends if not one.done and (not named or one.instance in named)]
    dated = [one for one in failures if one.when]
    if around:
        dated = [one for one in dated if _apart_s(one, around) <= NEAR_S]
        dated.sort(key=lambda one: -_apart_s(one, around))
    # what fleetctl ended itself is shown if nothing else is, and then all the same
    picked = dated[-1] if dated else None
    if picked is None:
        undated = () if around else tuple(failures)
        return Story(undated, undated, unknown)
    group = _together(_of_its_run(ends, picked, events), picked)
    undated = () if around else tuple(one for one in ends if not one.when)
    return Story((*group, *undated), _first(group, undated), unknown)


def _apart_s(one: Ended, moment: datetime) -> float:
    return abs((one.when.at - moment).total_seconds()) if one.when else float("inf")


def _of_its_run(ends: Sequence[Ended], picked: Ended, events: Sequence[Event]) -> list[Ended]:
    """Without those of another run: the earlier one was started again before the later one ended,
    so what ended there is a story that was known."""
    starts = [e for e in events if e.kind == "action" and e.action in BEGINS]

    def lie_between(early: Ended, late: Ended) -> bool:
        return any(
            early.is_surely_before(start.at) and late.is_surely_after(start.at)
            for start in starts
            if early.instance in start.affects
        )

    return [one for one in ends if not (lie_between(one, picked) or lie_between(picked, one))]


def _together(ends: Sequence[Ended], picked: Ended) -> list[Ended]:
    """Those around ``picked`` that come shortly after one another."""
    dated = [one for one in ends if one.when]
    place = dated.index(picked)
    begin = end = place
    gap = timedelta(seconds=FOLLOWS_S)
    while begin and _at(dated[begin]) - _at(dated[begin - 1]) <= gap:
        begin -= 1
    while end + 1 < len(dated) and _at(dated[end + 1]) - _at(dated[end]) <= gap:
        end += 1
    return dated[begin : end + 1]


def _at(one: Ended) -> datetime:
    assert one.when
    return one.when.at


def _first(group: Sequence[Ended], undated: Sequence[Ended]) -> tuple[Ended, ...]:
    """The first of these; all that may have been it, if that is not known."""
    eligible = [one for one in group if not one.by_rule] or list(group)
    failed = [one for one in eligible if not one.done] or eligible
    found: dict[str, Ended] = {}
    for one in (*failed, *(u for u in undated if not u.done and not u.by_rule)):
        if not any(other.surely_before(one) for other in failed):
            found.setdefault(one.instance, one)
    return tuple(found.values())
