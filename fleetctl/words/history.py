"""What is said of values over time: names and units in words, numbers with their units. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from fleetctl.marks import mark
from fleetctl.model.samples import INSTANCE_STATES, METRICS, SeriesKind
from fleetctl.model.timeline import Column
from fleetctl.quantities import byte_rate, size
from fleetctl.words.sparkline import sparkline


class Metric(Struct, frozen=True):
    """How a metric is called."""

    title: str
    """With its unit, as a heading."""
    unit: str = ""
    """Of each number; empty: the heading has it."""


_TITLES: Mapping[tuple[SeriesKind, str], Metric] = {
    ("link", "rtt_ms"): Metric("round trip, milliseconds"),
    ("link", "jitter_ms"): Metric("jitter: standard deviation of the round trip, milliseconds"),
    ("link", "loss_percent"): Metric("lost echoes, percent"),
    ("node", "load1"): Metric("load: processes that run or wait, over a minute"),
    ("node", "cpu_percent"): Metric("processors busy, percent of all"),
    ("node", "memory_percent"): Metric("memory in use, percent"),
    ("node", "temperature_c"): Metric("temperature, degrees Celsius"),
    ("node", "throttled"): Metric("throttled, 1: it is"),
    ("node", "disk_free_bytes"): Metric("free on the disk of the home folder, bytes"),
    ("node", "net_in_bytes_per_s"): Metric("received by its network hardware, bytes a second"),
    ("node", "net_out_bytes_per_s"): Metric("sent by its network hardware, bytes a second"),
    ("node", "clock_offset_s"): Metric("clock, seconds ahead of the controller's"),
    ("node", "reachable"): Metric("reached over SSH, 1: it is"),
    ("instance", "state"): Metric("state: the worst of each time"),
    ("instance", "ready"): Metric("ready, 1: it is"),
    ("instance", "restarts"): Metric("restarts since it was started"),
    ("instance", "step"): Metric("step"),
    ("instance", "steps_per_s"): Metric("steps a second"),
    ("instance", "loss"): Metric("loss of the model"),
    ("instance", "tokens_per_s"): Metric("tokens a second"),
    ("instance", "requests_per_s"): Metric("requests answered a second"),
    ("job", "ready"): Metric("ready instances"),
    ("job", "step"): Metric("step of the furthest"),
    ("job", "steps_per_s"): Metric("steps a second, of the middle instance"),
    ("job", "loss"): Metric("loss of the model, of the middle instance"),
    ("job", "tokens_per_s"): Metric("tokens a second"),
    ("job", "requests_per_s"): Metric("requests answered a second"),
}
_UNITS = ("_ms", "_percent", "_c", "_bytes", "_s", "1")


def title(kind: SeriesKind, metric: str) -> str:
    """What the values are, with their unit."""
    return _TITLES[kind, metric].title if (kind, metric) in _TITLES else metric


def short_name(metric: str) -> str:
    """The metric without its unit: ``rtt``."""
    for unit in _UNITS:
        if metric.endswith(unit) and not metric.endswith("_per_s"):
            return metric.removesuffix(unit)
    return metric


def all_metrics() -> list[str]:
    """Every metric's short name, once."""
    return list(dict.fromkeys(short_name(m) for names in METRICS.values() for m in names))


def metrics_called(name: str) -> frozenset[str]:
    """The metrics that ``name`` means: by their whole name, without its unit, or its begin."""
    known = {m for names in METRICS.values() for m in names}
    called = {m for m in known if name in (m, short_name(m))}
    return frozenset(called or {m for m in known if name and m.startswith(name)})


def number(metric: str, value: float) -> str:
    """A value in at most seven characters."""
    if metric == "state":
        return INSTANCE_STATES[min(max(int(value), 0), len(INSTANCE_STATES) - 1)]
    if metric.endswith("_bytes"):
        return size(int(value))
    if metric.endswith("_bytes_per_s"):
        return byte_rate(value)
    if value == int(value) and abs(value) < 1e7:
        return str(int(value))
    if abs(value) >= 1000:
        return f"{value:.0f}" if abs(value) < 1e7 else f"{value:.1e}"
    return f"{value:.3g}" if abs(value) >= 1e-3 else f"{value:.0e}"


def bars(metric: str, columns: Sequence[Column | None]) -> str:
    """A character for each column: the mark of a state, else a bar from zero; a gap is a blank."""
    if metric == "state":
        return "".join(" " if c is None else mark(number(metric, c.high)).symbol for c in columns)
    means = [None if c is None else abs(c.mean) for c in columns]
    drawn = sparkline(means, len(means))
    if drawn.isspace():  # nothing but zeros, which are no gaps
        return "".join(" " if mean is None else "▁" for mean in means)
    return drawn
