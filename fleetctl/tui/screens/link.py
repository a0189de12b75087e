"""The screen of one link: what is known of it, and its samples, newest first."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from fleetctl.model.samples import Point
from fleetctl.quantities import duration, rtt
from fleetctl.tui import links as of_links
from fleetctl.tui.host import Host
from fleetctl.tui.links import Link
from fleetctl.tui.past.stretch import Stretch
from fleetctl.tui.screens.page import Page
from fleetctl.tui.sheets import heading, joined, table
from fleetctl.tui.tones import toned

MOST = 500
"""So many samples are shown, the newest."""


class LinkScreen(Page):
    """The link as it was when this was opened."""

    app: Host

    def __init__(self, link: Link, stretch: Stretch) -> None:
        super().__init__()
        self._link = link
        self._stretch = stretch

    def body(self) -> Widget:
        box = VerticalScroll(Static(id="text", markup=False))
        box.border_title = Content(f"Link · {self._link.label}")
        return box

    def on_mount(self) -> None:
        about = of_links.about(self._link, self.app.snapshot)
        parts = [*about, Content(""), *self._samples()]
        self.query_one("#text", Static).update(joined(parts))

    def _samples(self) -> Iterator[Content]:
        link = self._link
        by_time: dict[float, dict[str, Point]] = {}
        for name, points in (("rtt", link.rtt), ("jitter", link.jitter), ("loss", link.loss)):
            for point in points:
                by_time.setdefault(point.at_s, {})[name] = point
        times = sorted(by_time, reverse=True)
        if self._stretch.note:
            yield toned(self._stretch.note, "doubt")
        yield heading(f"Samples, newest first ({len(times)})")
        yield from table(
            [_row(at_s, by_time[at_s]) for at_s in times[:MOST]],
            ("time", "of", "round trip", "from", "to", "jitter", "lost"),
        )
        if len(times) > MOST:
            yield toned(f"and {len(times) - MOST} older ones", "quiet")


def _row(at_s: float, points: dict[str, Point]) -> list[Content]:
    at = datetime.fromtimestamp(at_s, UTC).astimezone()
    trip, jitter, loss = points.get("rtt"), points.get("jitter"), points.get("loss")
    lost = loss.high if loss else None
    said = Content("-") if lost is None else Content(f"{lost:.3g}%")
    if lost is not None and lost >= of_links.ALL_PERCENT:
        said = toned("all", "bad")
    elif lost:
        said = toned(f"{lost:.3g}%", "doubt")
    length_s = next(iter(points.values())).length_s
    return [
        toned(f"{at:%a %H:%M:%S}", "quiet"),
        toned(duration(length_s), "quiet"),
        Content(rtt(trip.mean) if trip else "-"),
        Content(rtt(trip.low) if trip else "-"),
        Content(rtt(trip.high) if trip else "-"),
        Content(rtt(jitter.mean) if jitter else "-"),
        said,
    ]
