"""Values over time as a picture: SVG 1.1, for light and dark pages. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from xml.sax.saxutils import escape

from msgspec import Struct

from fleetctl.model.samples import Point
from fleetctl.words.history import number

WIDTH, LABEL, FIGURES, ROW, HEAD, MARGIN = 960, 230, 130, 44, 34, 16
_STYLE = (
    "text{font:12px ui-sans-serif,system-ui,sans-serif;fill:#24292f}"
    ".title{font-weight:600;font-size:13px}.quiet{fill:#59636e}.end{text-anchor:end}"
    ".page{fill:#ffffff}.base{stroke:#d1d9e0;stroke-width:1}"
    ".line{fill:none;stroke:#0969da;stroke-width:1.5;stroke-linejoin:round}"
    ".dot{fill:#0969da}.band{fill:#0969da;fill-opacity:.18}"
    "@media (prefers-color-scheme: dark){text{fill:#e6edf3}.quiet{fill:#9198a1}"
    ".page{fill:#0d1117}.base{stroke:#3d444d}.line{stroke:#4493f8}"
    ".dot,.band{fill:#4493f8}}"
)


class Row(Struct, frozen=True):
    """One line of the picture."""

    name: str
    metric: str
    points: Sequence[Point]


class Chart(Struct, frozen=True):
    """Rows of one metric, which have one scale."""

    title: str
    rows: Sequence[Row]


def svg(charts: Sequence[Chart], since: datetime, until: datetime, heading: str) -> str:
    """A picture with a line for each row; where nothing is known it has a gap.

    :param heading: what it shows.
    """
    high = HEAD + 3 * MARGIN + sum(HEAD + ROW * len(chart.rows) for chart in charts)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{high}" '
        f'viewBox="0 0 {WIDTH} {high}" role="img">\n'
        f"<title>{_safe(heading)}</title>\n<style>{_STYLE}</style>\n"
        '<rect class="page" width="100%" height="100%"/>\n'
        + "\n".join(_body(charts, since, until, heading))
        + "\n</svg>\n"
    )


def _body(charts: Sequence[Chart], since: datetime, until: datetime, heading: str) -> Iterator[str]:
    y = MARGIN + 14.0
    yield _text(MARGIN, y, heading, "title")
    y += 22
    left, right = MARGIN + LABEL, WIDTH - MARGIN - FIGURES
    yield _text(left, y, f"{since:%Y-%m-%d %H:%M}", "quiet")
    yield _text(right, y, f"{until:%Y-%m-%d %H:%M}", "quiet end")
    for chart in charts:
        y += HEAD
        yield _text(MARGIN, y, chart.title, "title")
        top = max((p.high for row in chart.rows for p in row.points), default=0.0)
        least = min((p.low for row in chart.rows for p in row.points), default=0.0)
        scale = (min(0.0, least), top if top > min(0.0, least) else 1.0)
        for row in chart.rows:
            yield from _row(row, y, scale, (since.timestamp(), until.timestamp()))
            y += ROW


def _row(
    row: Row, top: float, scale: tuple[float, float], time_s: tuple[float, float]
) -> Iterator[str]:
    left, right = MARGIN + LABEL, WIDTH - MARGIN - FIGURES
    base, high = top + ROW - 4, ROW - 12
    yield f'<line class="base" x1="{left}" y1="{base:g}" x2="{right}" y2="{base:g}"/>'
    yield _text(MARGIN, base - high / 2 + 4, _cut(row.name, 34))

    def x(at_s: float) -> float:
        share = (at_s - time_s[0]) / (time_s[1] - time_s[0])
        return left + (right - left) * min(1.0, max(0.0, share))

    def y(value: float) -> float:
        return base - high * (value - scale[0]) / (scale[1] - scale[0])

    for part in _without_gaps(row.points):
        middles = [x(p.at_s + p.length_s / 2) for p in part]
        if len(part) == 1:
            yield f'<circle class="dot" cx="{middles[0]:.1f}" cy="{y(part[0].mean):.1f}" r="1.5"/>'
            continue
        upper = [f"{m:.1f},{y(p.high):.1f}" for m, p in zip(middles, part, strict=True)]
        lower = [f"{m:.1f},{y(p.low):.1f}" for m, p in zip(middles, part, strict=True)]
        means = [f"{m:.1f},{y(p.mean):.1f}" for m, p in zip(middles, part, strict=True)]
        yield f'<polygon class="band" points="{" ".join([*upper, *reversed(lower)])}"/>'
        yield f'<polyline class="line" points="{" ".join(means)}"/>'
    if row.points:
        least = number(row.metric, min(p.low for p in row.points))
        most = number(row.metric, max(p.high for p in row.points))
        told = least if least == most else f"{least} to {most}"
        yield _text(right + 10, base - high / 2 + 4, told, "quiet")


def _without_gaps(points: Sequence[Point]) -> Iterator[list[Point]]:
    part: list[Point] = []
    for point in points:
        if part and point.at_s > part[-1].at_s + part[-1].length_s + point.length_s / 2:
            yield part
            part = []
        part.append(point)
    if part:
        yield part


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    style = f' class="{kind}"' if kind else ""
    return f'<text{style} x="{x:g}" y="{y:g}">{_safe(text)}</text>'


def _safe(text: str) -> str:
    """As content of an element; XML allows no control character, escaped or not."""
    return escape("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text))
