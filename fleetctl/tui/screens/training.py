"""The training view: how far each rank is, which holds the others up, and what the loss did."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import OptionList, Static

from fleetctl.model.events import Event
from fleetctl.quantities import count
from fleetctl.tui import ranks as of_ranks
from fleetctl.tui.job_line import Trend
from fleetctl.tui.keymap import with_ids
from fleetctl.tui.screens.past import Body, PastPage
from fleetctl.tui.sheets import joined
from fleetctl.tui.tones import toned
from fleetctl.tui.widgets.headline import headline
from fleetctl.tui.widgets.rows import Rows

_LEAST_CURVE, _MOST_CURVE = 6, 30


class TrainingScreen(PastPage):
    """Ranks as rows, the straggler, a curve."""

    WANTED = of_ranks.WANTED
    FINDS: ClassVar[str] = "part of a rank's name or row"
    BINDINGS: ClassVar[list[BindingType]] = with_ids(
        [Binding("m", "curve", "other curve"), Binding("l", "logs", "its log")], "training."
    )
    DEFAULT_CSS = """
    TrainingScreen #job, TrainingScreen #head { height: 1; text-wrap: nowrap; }
    TrainingScreen Rows { height: auto; }
    TrainingScreen #straggler { height: auto; max-height: 6; margin: 1 0; }
    TrainingScreen #curve { height: 1fr; text-wrap: nowrap; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._metric = ""
        """Of the curve that was chosen; empty: the first that is known."""
        self._trend = Trend()

    def body(self) -> Widget:
        box = Body(
            Static(id="job", markup=False),
            Static(id="head", markup=False),
            Rows(),
            Static(id="straggler", markup=False),
            Static(id="curve", markup=False),
        )
        job = self.app.service.job
        box.border_title = Content(f"Training · {job.name if job else 'no job'}")
        return box

    def on_mount(self) -> None:
        self.query_one(Rows).focus()

    def draw(self) -> None:
        job, snapshot, body = self.app.service.job, self.app.snapshot, self.query_one(".body")
        body.border_subtitle = Content(self.note)
        rows, straggler = self.query_one(Rows), self.query_one("#straggler", Static)
        if snapshot is None or job is None:
            said = "asking …" if job else "nodes.yaml has no job"
            rows.show([("", toned(said, "quiet"))])
            return
        self._trend.take(snapshot.status.progress)
        line = headline(
            self.app.service.fleet.name,
            job.name,
            snapshot.status,
            body.size.width,
            snapshot.heard_at,
            self._trend.arrow,
        )
        self.query_one("#job", Static).update(line)
        found = of_ranks.ranks(job, snapshot)
        head, *lines = of_ranks.rows(found, snapshot.status, rows.size.width - 1)
        self.query_one("#head", Static).update(head)
        rows.styles.max_height = max(3, self.size.height - 12 - _LEAST_CURVE)
        names = [rank.instance.name for rank in found]
        found_rows = zip(names, lines, strict=True)
        shown = [(name, line) for name, line in found_rows if self.has_sought(name, line.plain)]
        rows.show(shown or [self.nothing_found()])
        told = list(of_ranks.straggler(found, job, snapshot))
        straggler.update(joined(told))
        straggler.display = bool(told)
        self._draw_curve(job.name)

    def _draw_curve(self, job: str) -> None:
        place = self.query_one("#curve", Static)
        width, height = place.size
        known = of_ranks.known_curves(self.stretch, job)
        metric = self._metric if self._metric in known else next(iter(known), "")
        if not metric:
            place.update(toned("no loss or rate was seen in this time", "quiet"))
            return
        points = self.stretch.of("job", job, metric)
        title = Content.assemble(
            (of_ranks.TITLES[metric], "bold"), toned(f"  {count(len(points), 'value')}", "quiet")
        )
        lines = of_ranks.curve_lines(
            points,
            metric,
            self.stretch,
            self._events(job),
            width,
            min(max(height - 1, 3), _MOST_CURVE),
        )
        place.update(joined([title, *lines]))

    def _events(self, job: str) -> list[Event]:
        """Those of the job, and of nodes."""
        every = {event.key or str(event.at): event for event in self.stretch.events}
        every |= {event.key or str(event.at): event for event in self.app.events}
        return [e for e in every.values() if not e.part_of and e.job in (None, job)]

    def action_curve(self) -> None:
        """Draw another value: loss, steps or tokens a second."""
        job = self.app.service.job
        known = of_ranks.known_curves(self.stretch, job.name if job else None)
        if known:
            place = known.index(self._metric) if self._metric in known else 0
            self._metric = known[(place + 1) % len(known)]
            self.draw()

    @property
    def _node(self) -> str:
        name = self.query_one(Rows).key or ""
        return name.rpartition("@")[2]

    @on(OptionList.OptionSelected)
    def _opened(self) -> None:
        if self._node:
            self.app.show_node(self._node)

    def action_logs(self) -> None:
        """Go to the log of the rank under the cursor."""
        if name := self.query_one(Rows).key:
            self.app.show_log(name)
