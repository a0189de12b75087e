"""``fleetctl history``: measured values and problems over time."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import click
import msgspec
from msgspec import Struct

from fleetctl.cli.context import Context
from fleetctl.cli.history_lines import history_lines
from fleetctl.cli.history_reading import Found, read
from fleetctl.cli.moments import Age, When
from fleetctl.cli.saving import require_place, save
from fleetctl.errors import UsageError
from fleetctl.model.events import Event
from fleetctl.model.samples import INSTANCE_STATES, Point, SeriesKind
from fleetctl.words.history import all_metrics, metrics_called, title

SCHEMA = "fleetctl.history/1"
SINCE = "1d"


class PointView(Struct, frozen=True):
    """A stretch of time in the JSON."""

    at: datetime
    length_s: float
    count: int
    low: float
    mean: float
    high: float


class SeriesView(Struct, frozen=True):
    """One value of one thing in the JSON."""

    kind: SeriesKind
    subject: str
    metric: str
    points: tuple[PointView, ...]


class WatchedView(Struct, frozen=True):
    """A stretch of time in which the fleet was watched."""

    since: datetime
    until: datetime


class HistoryView(Struct, frozen=True):
    """The JSON (docs/cli.md, "fleetctl.history/1")."""

    schema: str
    fleet: str
    since: datetime
    until: datetime
    watched: tuple[WatchedView, ...]
    series: tuple[SeriesView, ...]
    problems: tuple[Event, ...]
    states: tuple[str, ...] = INSTANCE_STATES


@click.command(short_help="values and problems over time: links, nodes, instances")
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@click.option("--since", type=When(), metavar="TIME", default=SINCE, help=f"Begin [{SINCE}].")
@click.option("--until", type=When(), metavar="TIME", help="End [now].")
@click.option("--metric", "metrics", multiple=True, metavar="NAME", help="Only this: rtt, load, …")
@click.option("--step", type=Age(), metavar="AGE", help="Stretches about as long as 10s, 1m, 10m.")
@click.option("--json", "form", flag_value="json", help="One JSON object, alone on stdout.")
@click.option("--csv", "form", flag_value="csv", help="A line for each stretch of time.")
@click.option("--svg", type=click.Path(path_type=Path), metavar="FILE", help="A picture.")
@click.pass_obj
def command(
    context: Context,
    targets: tuple[str, ...],
    since: datetime,
    until: datetime | None,
    metrics: tuple[str, ...],
    step: float | None,
    form: Literal["json", "csv"] | None,
    svg: Path | None,
) -> int:
    """Show how links, nodes and instances were: round trips, load, heat, states, steps, problems.

    A TARGET is also a link: mini1:pi4/fabric, or mini1:pi4. Times are ages (90m, 2d) or dates
    (2026-11-01T12:00). It is what `fleetctl serve` or an open dashboard on this machine kept; where
    none watched there is a gap.
    """
    if form and svg:
        raise UsageError(f"--{form} and --svg are two forms; choose one")
    end = until or datetime.now(UTC)
    if since >= end:
        raise UsageError(
            "there is no time from --since to --until: the begin is not before the end"
        )
    if svg:
        require_place(svg)
    found = read(context, targets, (since, end), _wanted(metrics), step)
    match form:
        case "json":
            click.echo(msgspec.json.format(msgspec.json.encode(view(found))))
        case "csv":
            click.echo(_csv(found), nl=False)
        case None if svg:
            save(svg, _svg(found), replace=True, hint="")
        case None:
            click.echo("\n".join(history_lines(found, more=not targets and not metrics)))
    return 0


def _wanted(names: Sequence[str]) -> frozenset[str]:
    """
    :raises UsageError: there is no such metric.
    """
    found: set[str] = set()
    for name in names:
        called = metrics_called(name)
        if not called:
            raise UsageError(
                f"{name!r} is nothing that is measured",
                hint=f"There are: {', '.join(all_metrics())}.",
            )
        found |= called
    return frozenset(found)


def view(found: Found) -> HistoryView:
    """What the JSON has of ``found``."""
    return HistoryView(
        schema=SCHEMA,
        fleet=found.fleet.name,
        since=found.since,
        until=found.until,
        watched=tuple(WatchedView(_time(w.from_s), _time(w.until_s)) for w in found.watched),
        series=tuple(
            SeriesView(s.kind, s.subject, s.metric, tuple(map(_point, points)))
            for s, points in found.points.items()
        ),
        problems=tuple(found.problems),
    )


def _point(point: Point) -> PointView:
    low, mean, high = (_short(v) for v in (point.low, point.mean, point.high))
    return PointView(_time(point.at_s), point.length_s, point.count, low, mean, high)


def _time(at_s: float) -> datetime:
    return datetime.fromtimestamp(at_s, UTC)


def _short(value: float) -> float:
    """The digits that are kept."""
    return float(f"{value:.7g}")


def _csv(found: Found) -> str:
    out = io.StringIO()
    lines = csv.writer(out, lineterminator="\n")
    lines.writerow(("at", "length_s", "kind", "subject", "metric", "count", "low", "mean", "high"))
    for series, points in found.points.items():
        named = (series.kind, series.subject, series.metric)
        for p in points:
            values = (f"{_short(v):.12g}" for v in (p.low, p.mean, p.high))
            at = f"{_time(p.at_s):%Y-%m-%dT%H:%M:%SZ}"
            lines.writerow((at, p.length_s, *named, p.count, *values))
    return out.getvalue()


def _svg(found: Found) -> str:
    from fleetctl.words.history_svg import Chart, Row, svg

    charts: dict[tuple[SeriesKind, str], list[Row]] = {}
    for series, points in found.points.items():
        rows = charts.setdefault((series.kind, series.metric), [])
        rows.append(Row(series.subject, series.metric, points))
    return svg(
        [Chart(title(*named), rows) for named, rows in charts.items()],
        found.since.astimezone(),
        found.until.astimezone(),
        f"{found.fleet.name} over time",
    )
