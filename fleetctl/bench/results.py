"""From the figures of a path to its result, and from results to the report. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from fleetctl.bench.ladder import ladder, next_rung, stands_on
from fleetctl.bench.verdict import (
    expected_loss_percent,
    expected_mbit_s,
    expected_rtt_ms,
    figures,
    held_against,
    narrow_because,
    quick,
    too_fast,
    whole,
    wide,
)
from fleetctl.model.bench import Best, Measured, PathResult, Port, Rung
from fleetctl.model.expectations import Expectations
from fleetctl.model.status import FleetStatus
from fleetctl.model.topology import Fleet
from fleetctl.quantities import rtt
from fleetctl.words.bench import RUNGS


def result_of(
    fleet: Fleet,
    expectations: Expectations,
    status: FleetStatus,
    measured: Measured,
    ports: Sequence[Port],
    best: Best,
) -> PathResult:
    """What ``measured`` means.

    :param status: what a check just found.
    :param ports: of all ends of its hops.
    :param best: before it.
    """
    path = measured.path
    rtt_ms, mbit_s = expected_rtt_ms(fleet, path), expected_mbit_s(fleet, path)
    held = held_against(fleet, path, best)
    is_quick, is_wide = quick(measured, rtt_ms, held), wide(measured, mbit_s, held)
    is_whole = whole(measured, expected_loss_percent(fleet, path))
    rungs = ladder(fleet, expectations, status, measured, is_whole, is_quick, is_wide)
    before = [m for m in (held.there_mbit_s, held.back_mbit_s) if m is not None]
    wanted = mbit_s or max(before, default=None)
    missing = next_rung(rungs)
    if missing is None:
        verdict = "all is well"
    else:
        verdict = _verdict(missing, measured, narrow_because(measured, ports, wanted))
    if odd := too_fast(measured, ports):
        verdict = odd
        rungs = tuple(Rung(r.name, False, odd) if r.name == "routed" else r for r in rungs)
    return PathResult(
        path=path,
        at=measured.at,
        echoes=measured.echoes,
        there=measured.there,
        back=measured.back,
        ports=tuple(ports),
        expected_rtt_ms=rtt_ms,
        expected_mbit_s=mbit_s,
        best=best,
        ladder=rungs,
        stands_on=stands_on(rungs),
        verdict=verdict,
    )


def _verdict(missing: Rung, measured: Measured, why_narrow: str) -> str:
    """Why it is on no higher rung."""
    name = RUNGS[missing.name]
    if missing.ok is None:
        return f"not known whether {name}: {missing.reason or 'not asked'}"
    if missing.name == "wide":
        return f"not {name}: {figures(measured)}, {missing.reason}: {why_narrow}"
    if missing.name == "quick":
        return f"not {name}: {rtt(measured.echoes.median_ms or 0.0)}, {missing.reason}"
    return f"not {name}: {missing.reason}"
