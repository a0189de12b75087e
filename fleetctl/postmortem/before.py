"""What changed shortly before a failure, in what is kept of nodes and links. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from fleetctl.model.samples import Point, Series
from fleetctl.quantities import size

HOT_C = 80.0
"""Raspberry Pis slow down at 80 °C, Macs at about 100 °C."""
WARMER_C = 5.0
MORE_PERCENT = 15.0
MUCH_PERCENT = 90.0
LITTLE_BYTES = 1024**3
LATE_FACTOR = 3.0
LATE_MS = 2.0


def changed(points: Mapping[Series, Sequence[Point]], before_s: float) -> Iterator[str]:
    """A clause for each value that changed much, or is bad.

    :param points: of the time in question, oldest first, and of some time before it.
    :param before_s: when that time begins, in seconds since 1970.
    """
    for series in sorted(points):
        old = [p for p in points[series] if p.at_s < before_s]
        new = [p for p in points[series] if p.at_s + p.length_s > before_s]
        if new and (said := _said(series, old or new[:1], new)):
            yield f"{_named(series)}: {said}"


def _named(series: Series) -> str:
    if series.kind == "link":
        ends, _, network = series.subject.partition("/")
        return f"link {ends.replace(':', ' to ')} ({network})"
    return series.subject


def _said(series: Series, old: Sequence[Point], new: Sequence[Point]) -> str:
    was = sum(p.mean for p in old) / len(old)
    low, high = min(p.low for p in new), max(p.high for p in new)
    match series.metric:
        case "temperature_c" if high >= HOT_C or high - was >= WARMER_C:
            return f"temperature from {was:.0f} to {high:.0f} °C"
        case "memory_percent" if high >= MUCH_PERCENT or high - was >= MORE_PERCENT:
            return f"memory from {was:.0f} to {high:.0f} %"
        case "disk_free_bytes" if low < was * 0.9:
            return f"free disk from {size(int(was))} to {size(int(low))}"
        case "disk_free_bytes" if low < LITTLE_BYTES:
            return f"only {size(int(low))} of its disk free"
        case "throttled" if high > 0:
            return "it was throttled" + ("" if was else ", which it was not before")
        case "reachable" if low < 1:
            return "it could not be reached"
        case "loss_percent" if high > max(1.0, was):
            return f"up to {high:.0f} % of echoes were lost ({was:.0f} % before)"
        case "rtt_ms" if high > max(LATE_MS, LATE_FACTOR * was):
            return f"round trips of up to {high:.1f} ms ({was:.1f} ms before)"
        case "load1" if high > 2 * was + 2:
            return f"load from {was:.1f} to {high:.1f}"
    return ""
