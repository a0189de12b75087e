"""The first line: fleet and job, how many nodes and instances are well, and the time."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from textual.content import Content
from textual.widgets import Static

from fleetctl.marks import Tone, mark
from fleetctl.model.status import FleetStatus, ServiceStatus
from fleetctl.quantities import count
from fleetctl.tui.job_action import JobAction
from fleetctl.tui.tones import drawn, toned
from fleetctl.words.progress import job_words

STAYS_S = 10.0
"""How long the line of an action that is over stays."""


def headline(fleet: str, job: str | None, status: FleetStatus | None, width: int) -> Content:
    """The line in ``width`` columns; figures that do not fit are left out, first those of how far
    the job is."""
    name = Content.styled(f" {fleet} · {job}" if job else f" {fleet}", "bold")
    parts = _figures(status) if status else [toned("asking …", "busy")]
    words = list(job_words(status.progress)) if status else []

    def too_long() -> bool:
        shown = [*(p.cell_length for p in parts), *map(len, words)]
        return sum(length + 3 for length in shown) + name.cell_length > width

    while words and too_long():
        words.pop()
    while len(parts) > 1 and too_long():
        parts.pop(-2)
    parts[-2:-2] = [Content(word) for word in words]
    right = Content(" · ").join(parts) + " "
    gap = max(1, width - name.cell_length - right.cell_length)
    return Content.assemble(name, " " * gap, right).truncate(width, ellipsis=True)


def _figures(status: FleetStatus) -> list[Content]:
    reached, nodes = status.reached
    ready, open_ones = status.ready, len(status.services) - status.done
    parts = [toned(f"{reached}/{nodes} nodes", _tone(reached, nodes))]
    if unasked := status.unasked:
        parts[0] = Content.assemble(parts[0], toned(f", {unasked} not asked yet", "busy"))
    if open_ones:
        parts.append(toned(f"{ready}/{open_ones} ready", _tone(ready, open_ones)))
    if status.done:
        parts.append(toned(f"{status.done} done", "quiet"))
    errors = sum(problem.severity == "error" for problem in status.problems)
    if status.problems:
        worst = mark("error" if errors else "warning")
        found = Content.assemble(drawn(worst), " ", count(len(status.problems), "problem"))
    elif unasked:
        found = toned("asking …", "busy")
    else:
        found = toned("no problem", "quiet")
    return [*parts, found, Content(status.generated_at.astimezone().strftime("%H:%M:%S"))]


def _tone(have: int, of: int) -> Tone:
    return "good" if have == of else "quiet" if have == 0 else "doubt"


class Headline(Static):
    """Shows :func:`headline`."""

    DEFAULT_CSS = "Headline { height: 1; background: $panel; text-wrap: nowrap; }"

    def __init__(self, fleet: str, job: str | None) -> None:
        super().__init__()
        self._fleet = fleet
        self._job = job
        self._status: FleetStatus | None = None

    def on_resize(self) -> None:
        self._draw()

    def take_job(self, job: str | None) -> None:
        """Name another job, of which nothing is known yet."""
        self._job = job
        self._status = None
        self._draw()

    def show(self, status: FleetStatus) -> None:
        self._status = status
        self._draw()

    def _draw(self) -> None:
        line = headline(self._fleet, self._job, self._status, self.size.width)
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
            self.display = False

    def _expire(self, action: JobAction) -> None:
        if self._action == action:
            self.display = False

    def show(self, action: JobAction | None) -> None:
        self.display = action is not None
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
