"""The first line: how the job is, and what is wrong with it; then the fleet, and the time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from datetime import datetime
from functools import partial

from msgspec import Struct
from textual.content import Content
from textual.widgets import Static

from fleetctl.marks import Tone, mark
from fleetctl.model.status import FleetStatus, ServiceStatus
from fleetctl.quantities import count
from fleetctl.tui.eliding import among, middle
from fleetctl.tui.job_action import JobAction
from fleetctl.tui.job_line import (
    Trend,
    job_state,
    progress_words,
    ranks_at_work,
    stalled_s,
    state_mark,
    troubles,
)
from fleetctl.tui.seen import Seen
from fleetctl.tui.tones import drawn, toned
from fleetctl.undertakings import Snapshot

STAYS_S = 10.0
"""How long the line of an action that is over stays."""


_TROUBLE, _NO_PROBLEM = 10, 46
"""Ranks of two parts that do not stand side by side."""
_CLOCK, _FLEET = 55, 70
_FILLERS = frozenset({_CLOCK, _FLEET})
"""Ranks of parts that are no use where something else is left out."""
_SIDES = (True, False)


class _Part(Struct, frozen=True):
    """Of the line; each has its own ``rank``, and the larger it is, the earlier it is left out."""

    rank: int
    said: Content
    left: bool = True


def headline(
    fleet: str,
    job: str | None,
    status: FleetStatus | None,
    width: int,
    heard: Mapping[str, datetime] | None = None,
    trend: str = "",
    as_of: datetime | None = None,
) -> Content:
    """How the job is, then how the fleet is, in ``width`` columns; what does not fit is left out.

    :param heard: by node, when it last answered.
    :param trend: where the loss goes.
    :param as_of: see :class:`~fleetctl.undertakings.Snapshot`.
    """
    parts = [*_of_job(fleet, job, status, heard or {}, trend, width), *_of_fleet(status, as_of)]
    stalled = status is not None and stalled_s(status) is not None
    if stalled or any(part.rank == _TROUBLE for part in parts):  # it would be denied beside it
        parts = [part for part in parts if part.rank != _NO_PROBLEM]
    shown: set[int] = set()
    for place, rank in enumerate(sorted(part.rank for part in parts)):
        complete = len(shown) == place
        fits = _columns(_sides(parts, {*shown, rank})) <= width
        if not shown or (fits and (complete or rank not in _FILLERS)):
            shown.add(rank)
    left, right = sides = _sides(parts, shown)
    gap = " " * (2 + max(0, width - _columns(sides)) if right else 0)
    return Content.assemble(" ", left, gap, right, " ").truncate(width, ellipsis=True)


def _sides(parts: Sequence[_Part], shown: Set[int]) -> tuple[Content, Content]:
    """What stands on the left and on the right, of the parts with these ranks."""
    left, right = ([p.said for p in parts if p.left is side and p.rank in shown] for side in _SIDES)
    return Content(" · ").join(left), Content(" · ").join(right)


def _columns(sides: tuple[Content, Content]) -> int:
    """Of the line, with its margins, and what is between the sides."""
    left, right = sides
    return left.cell_length + right.cell_length + (4 if right else 2)


def _of_job(
    fleet: str,
    job: str | None,
    status: FleetStatus | None,
    heard: Mapping[str, datetime],
    trend: str,
    width: int,
) -> Iterator[_Part]:
    yield _Part(_FLEET, Content.styled(fleet, "bold"))
    if job is None:
        return
    found = troubles(status, heard) if status else ()
    word = job_state(status, found)
    what = state_mark(word)
    said = toned(f"{what.symbol} {word}{' …' if word == 'asking' else ''}", what.tone)
    yield _Part(0, Content.assemble((middle(job, max(8, width // 3)), "bold"), " ", said))
    if status is None:
        return
    for rank, words in zip((15, 30, 40, 60, 65), progress_words(status, trend), strict=False):
        yield _Part(rank, toned(words, "bad") if words.startswith("no step") else Content(words))
    ready, open_ones = ranks_at_work(status), len(status.services) - status.done
    ranks = "ranks" if status.progress and status.progress.step is not None else "ready"
    if open_ones:
        yield _Part(20, toned(f"{ready}/{open_ones} {ranks}", _tone(ready, open_ones)))
    if status.done:
        yield _Part(21, toned(f"{status.done} done", "quiet"))
    if found:
        more = f" +{len(found) - 1}" if len(found) > 1 else ""
        name = among(found[0].name, (*status.nodes, *status.services), max(12, width // 5))
        yield _Part(_TROUBLE, toned(f"{name} {found[0].said}{more}", "bad"))


def _of_fleet(status: FleetStatus | None, as_of: datetime | None) -> Iterator[_Part]:
    if status is None:
        yield _Part(50, toned("asking …", "busy"), left=False)
        return
    reached, nodes = status.reached
    said = toned(f"{reached}/{nodes} nodes", _tone(reached, nodes))
    if unasked := status.unasked:
        said = Content.assemble(said, toned(f", {unasked} not asked yet", "busy"))
    yield _Part(25 if reached < nodes else 45, said, left=False)
    errors = sum(problem.severity == "error" for problem in status.problems)
    if status.problems:
        worst = mark("error" if errors else "warning")
        found = Content.assemble(drawn(worst), " ", count(len(status.problems), "problem"))
    elif unasked:
        found = toned("asking …", "busy")
    else:
        found = toned("no problem", "quiet")
    yield _Part(28 if status.problems else _NO_PROBLEM, found, left=False)
    clock = f"{(as_of or status.generated_at).astimezone():%H:%M:%S}"
    if as_of:
        yield _Part(12, toned(f"as of {clock}, by fleetctl serve", "busy"), left=False)
    else:
        yield _Part(_CLOCK, Content(clock), left=False)


def _tone(have: int, of: int) -> Tone:
    return "good" if have == of else "quiet" if have == 0 else "doubt"


class Headline(Static):
    """Shows :func:`headline`."""

    DEFAULT_CSS = "Headline { height: 1; background: $panel; text-wrap: nowrap; }"

    def __init__(self, fleet: str, job: str | None, seen: Seen | None = None) -> None:
        super().__init__()
        self._fleet = fleet
        self._job = job
        self._snapshot: Snapshot | None = None
        self._seen = seen or Seen()

    def on_resize(self) -> None:
        self._draw()

    def take_job(self, job: str | None) -> None:
        """Name another job, of which nothing is known yet."""
        self._job = job
        self._snapshot = None
        self._draw()

    @property
    def _trend(self) -> Trend:
        return self._seen.trend(self._job or "")

    def show(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._trend.take(snapshot.status.progress)
        self._draw()

    def _draw(self) -> None:
        known = self._snapshot
        line = headline(
            self._fleet,
            self._job,
            known.status if known else None,
            self.size.width,
            known.heard_at if known else None,
            self._trend.arrow,
            known.as_of if known else None,
        )
        self.update(line, layout=False)


class ActionLine(Static):
    """One line about a start or stop: while it goes on, and for :data:`STAYS_S` after its end.

    It goes earlier when it is no longer true, by what nodes answer.
    """

    DEFAULT_CSS = "ActionLine { height: 1; display: none; background: $boost; text-wrap: nowrap; }"

    def __init__(self) -> None:
        super().__init__()
        self._action: JobAction | None = None
        self._seen_true = False
        """Whether a snapshot agreed with it: the first ones may be older than its end."""

    def agree(self, services: Mapping[str, ServiceStatus]) -> None:
        """Hide what it says of an end that is no longer so."""
        action = self._action
        if action is None or not action.ended or action.error:
            return
        if action.well_now(services) == action.well:
            self._seen_true = True
        elif self._seen_true:
            self._appear(False)

    def _expire(self, action: JobAction) -> None:
        if self._action == action:
            self._appear(False)

    def _appear(self, shown: bool) -> None:
        """Where rows are few, the guide's line goes while this one is there."""
        self.display = shown
        self.screen.set_class(shown, "-acting")

    def show(self, action: JobAction | None) -> None:
        self._appear(action is not None)
        self._action = action
        self._seen_true = False
        if action is None:
            return
        if action.ended:
            self.set_timer(STAYS_S, partial(self._expire, action))
        what = mark(action.outcome)
        line = Content.assemble(
            " ", drawn(what), " ", action.summary, toned("   o opens it", "quiet")
        )
        self.update(line, layout=False)
