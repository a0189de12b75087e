"""The lines of ``fleetctl history``: a table with a sparkline for each metric."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from shutil import get_terminal_size

from fleetctl.cli.history_reading import Found
from fleetctl.cli.render import cut, marked, plain, style, table
from fleetctl.marks import mark
from fleetctl.model.samples import INSTANCE_STATES, Point, Series, SeriesKind
from fleetctl.model.timeline import columns, figures
from fleetctl.quantities import count, duration
from fleetctl.words.history import bars, number, title

WIDEST = 120
_NAME, _FIGURE = 34, 7
_LEAST_BARS = 10
GAP_S = 90.0
"""What is no longer is no gap."""
_GAPS_TOLD = 3
_MANY = 4


def history_lines(found: Found, *, more: bool) -> Iterator[str]:
    """
    :param more: whether there may be metrics that are not shown.
    """
    wide = min(get_terminal_size((80, 24)).columns, WIDEST)
    subjects = [series.subject for series in found.points]
    name_wide = min(max([len(s) for s in subjects], default=0), _NAME)
    bar_wide = max(_LEAST_BARS, wide - name_wide - 4 * (_FIGURE + 2) - 2)
    span_s = (found.until - found.since).total_seconds()
    times = f"{_moment(found.since)} to {_moment(found.until)}"
    yield style(plain(f"{found.fleet.name} · {times}"), None, bold=True)
    yield from _watched(found)
    if found.points:
        yield f"a mark is {duration(span_s / bar_wide)}; a blank: nothing is known"
    else:
        yield "nothing was measured in this time"
    groups: dict[tuple[SeriesKind, str], list[Series]] = {}
    for series in found.points:
        groups.setdefault((series.kind, series.metric), []).append(series)
    for (kind, metric), members in groups.items():
        yield ""
        yield style(cut(f"{kind}: {title(kind, metric)}"), None, bold=True)
        yield from _group(found, metric, members, bar_wide)
    if found.problems:
        yield ""
        yield from _problems(found)
    if more:
        yield ""
        yield "More: --metric jitter, disk, clock, restarts, step, tokens; or name a TARGET."


def _group(found: Found, metric: str, members: Sequence[Series], bar_wide: int) -> list[str]:
    since_s, until_s = found.since.timestamp(), found.until.timestamp()
    rows = []
    for name, points in _rows(found, members):
        drawn = plain(bars(metric, columns(points, since_s, until_s, bar_wide)))
        rows.append((_short(name), drawn, *_figures(metric, points)))
    over = "OVER TIME".ljust(bar_wide)
    if metric == "state":
        seen = {number("state", p.high) for s in members for p in found.points[s]}
        shown = [state for state in INSTANCE_STATES if state in seen]
        legend = ", ".join(f"{marked(mark(state))} {state}" for state in shown)
        return [*table(("", over, "LAST", "READY"), rows), cut(f"  {legend}")]
    return table(("", over, *(h.rjust(_FIGURE) for h in ("MIN", "MEDIAN", "P99", "MAX"))), rows)


def _rows(found: Found, members: Sequence[Series]) -> list[tuple[str, Sequence[Point]]]:
    """The name and points of each; of several that are the same all the time, one for all."""
    rows = [(series.subject, found.points[series]) for series in members]
    values = {value for _, points in rows for p in points for value in (p.low, p.high)}
    if len(rows) < _MANY or len(values) > 1:
        return rows
    return [(f"all {len(rows)}", [point for _, points in rows for point in points])]


def _figures(metric: str, points: Sequence[Point]) -> tuple[str, ...]:
    if metric == "state":
        ready = sum(p.count for p in points if p.high == 0)
        share = 100 * ready // sum(p.count for p in points)
        return number(metric, points[-1].high), f"{share} %"
    f = figures(points)
    return tuple(number(metric, v).rjust(_FIGURE) for v in (f.low, f.median, f.p99, f.high))


def _watched(found: Found) -> Iterator[str]:
    since_s = found.since.timestamp()
    until_s = min(found.until.timestamp(), datetime.now(UTC).timestamp())
    gaps, end = [], since_s
    for one in found.watched:
        if one.from_s - end > GAP_S:
            gaps.append((end, one.from_s))
        end = max(end, one.until_s)
    if until_s - end > GAP_S:
        gaps.append((end, until_s))
    if not gaps:
        return
    gaps.sort(key=lambda gap: gap[0] - gap[1])
    told = [f"{_moment(_at(a))} for {duration(b - a)}" for a, b in gaps[:_GAPS_TOLD]]
    rest = f" and {count(len(gaps) - _GAPS_TOLD, 'shorter one')}" if len(gaps) > _GAPS_TOLD else ""
    yield cut(f"nobody watched from {', '.join(told)}{rest}")


def _problems(found: Found) -> list[str]:
    rows = [
        (
            f"{marked(mark(event.state))} {event.code}",
            event.subject or "the fleet",
            _moment(event.at),
            _moment(event.until) if event.until else "goes on",
            duration(((event.until or datetime.now(UTC)) - event.at).total_seconds()),
        )
        for event in found.problems
    ]
    return table(("PROBLEM", "OF", "FROM", "UNTIL", "FOR"), rows)


def _short(name: str) -> str:
    return name if len(name) <= _NAME else name[: _NAME - 1] + plain("…")


def _at(at_s: float) -> datetime:
    return datetime.fromtimestamp(at_s, UTC)


def _moment(at: datetime) -> str:
    return f"{at.astimezone():%d %b %H:%M}"
