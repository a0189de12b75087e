"""What was measured of links, as rows of text. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fleetctl.model.bench import AllReduce, BenchReport, Flow, PathResult, RungName
from fleetctl.quantities import bandwidth, rtt, size

HEAD = ("PATH", "MEDIAN", "P99", "JITTER", "LOSS", "THERE", "BACK", "STANDS ON")
RUNGS: Mapping[RungName, str] = {
    "cable": "cable",
    "addressed": "addressed",
    "routed": "routed there and back",
    "answers": "answers",
    "quick": "as quick as expected",
    "wide": "as wide as expected",
}
"""The rungs of a path's ladder, from the lowest."""


def cells(result: PathResult) -> tuple[str, ...]:
    """The row of a path, below :data:`HEAD`."""
    echoes = result.echoes
    return (
        result.path.label,
        *(_ms(ms) for ms in (echoes.median_ms, echoes.p99_ms, echoes.jitter_ms)),
        "?" if echoes.loss_percent is None else f"{echoes.loss_percent:g}%",
        _width(result.there),
        _width(result.back),
        RUNGS[result.stands_on] if result.stands_on else "nothing",
    )


def holds(result: PathResult) -> bool | None:
    """Whether the path stands on the highest rung; None: that is not known."""
    missing = [rung.ok for rung in result.ladder if not rung.ok]
    return False if False in missing else None if missing else True


def besides(report: BenchReport) -> Iterator[str]:
    """What was not measured, and what else there is to say."""
    for one in report.left_out:
        where = f" on {one.network}" if one.network else ""
        yield f"not measured: {one.node} to {one.peer}{where}: {one.reason}"
    yield from report.notes


def reduced(one: AllReduce) -> str:
    """The all-reduce in one line."""
    what = f"all-reduce round {', '.join(one.nodes)}"
    if one.median_ms is None or one.mbit_s is None or one.bytes is None:
        return f"{what}: {one.reason or 'not tried'}"
    return f"{what}: {size(one.bytes)} in {rtt(one.median_ms)}, {bandwidth(one.mbit_s)} each"


def _ms(value: float | None) -> str:
    if value is None:
        return "?"
    return rtt(value) if value < 1000 else f"{value:.0f}ms"


def _width(flow: Flow) -> str:
    return "?" if flow.mbit_s is None else bandwidth(flow.mbit_s)
